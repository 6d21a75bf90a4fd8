"""All that the pages may ask of the box."""

from typing import Protocol

from edgebox.messages.base import Done, Fault, Role
from edgebox.messages.pairing import PresenceCode
from edgebox.messages.room import Invite
from edgebox.messages.support import HelpLink
from edgebox.messages.support_call import Talk
from edgebox.panel.state import Operation


class Actions(Protocol):
    """What the pages may ask for. Every method blocks until the answer is there."""

    def start(self) -> Done | Fault:
        """Send the chosen cameras."""

    def stop(self) -> Done | Fault:
        """End the session."""

    def change_camera(self, camera: str, operation: Operation) -> Done | Fault:
        """Send, hide or make main."""

    def hide(self, hidden: bool) -> Done | Fault:
        """Hide or show all pictures."""

    def mute(self, muted: bool) -> Done | Fault:
        """Stop or start the sound of the cabin."""

    def admit(self, participant: str, role: Role) -> Done | Fault:
        """Let somebody in who waits, as what the crew was shown."""

    def refuse(self, participant: str) -> Done | Fault:
        """Turn somebody away, or put them out again."""

    def mute_guest(self, participant: str, muted: bool) -> Done | Fault:
        """Silence one person in the cabin."""

    def invite(self, role: Role) -> Invite | Fault:
        """Make a link for one person."""

    def send_invite(self, id_: str, phone: str) -> Done | Fault:
        """Send the invitation of that id by SMS. The number goes no further and is not kept."""

    def self_test(self) -> Done | Fault:
        """Begin to test the box."""

    def ask_help(self) -> HelpLink | Fault:
        """Get technical help: a link for a technician."""

    def admit_technician(self, id_: str, serial: str) -> Done | Fault:
        """Let a technician in, as the crew was shown them."""

    def end_help(self) -> Done | Fault:
        """No technician is in or waits any more."""

    def say_to_technician(self, text: str) -> Done | Fault:
        """One line to whoever is in."""

    def allow_command_line(self, id_: str) -> Done | Fault:
        """Let the technician of this session have one."""

    def end_command_line(self) -> Done | Fault:
        """None is asked for, allowed or open any more."""

    def take_call(self, id_: str) -> Done | Fault:
        """Talk to the technician of this session: answer them, or call."""

    def hang_up(self) -> Done | Fault:
        """No call is asked for or open any more."""

    def talk(self, said: Talk) -> Done | Fault:
        """The button is held, or was let go of."""

    def allow_still(self, id_: str, serial: str, camera: str) -> Done | Fault:
        """Let this technician have one still of this camera, as the crew was shown them."""

    def refuse_still(self) -> Done | Fault:
        """None is asked for or allowed."""

    def headset_code(self) -> PresenceCode | Fault:
        """The code that lets a headset of the pool in."""

    def allow_headset(self, device: str, digits: str) -> Done | Fault:
        """Let a headset in, with the digits the crew was shown."""

    def end_headset(self, device: str) -> Done | Fault:
        """This headset is not ours."""

    def alive(self) -> bool:
        """Whether the loop behind the pages answers."""
