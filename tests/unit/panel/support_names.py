"""Every name of the catalogue that technical help asks for."""

from collections.abc import Iterator
from typing import get_args

from edgebox.messages.support import DeedName, End
from edgebox.messages.support_call import CallEnd, CallState
from edgebox.panel.support_page import Reply


def names() -> Iterator[str]:
    """Those made from states included."""
    yield from (f"support.doing.{deed}" for deed in (*get_args(DeedName), "nothing"))
    yield from (f"support.ended.{end}" for end in get_args(End) if end)
    yield from (f"support.reply.{reply}" for reply in get_args(Reply))
    yield from (f"support.text.{state}" for state in ("off", "asked", "active", "away", "unsure"))
    yield from (f"failed.support{what}" for what in ("", "-admit", "-end", "-say"))
    yield from (f"failed.support-shell{what}" for what in ("", "-end"))
    yield from (f"failed.support-{what}" for what in ("call", "call-end", "talk"))
    calling = [state for state in get_args(CallState) if state != "off"]
    yield from (f"support.call.{state}" for state in calling)
    yield from (f"support.call.text.{state}" for state in calling)
    yield from (f"support.call.ended.{end}" for end in get_args(CallEnd) if end)
    yield from (f"support.call.line.{what}" for what in ("none", "lost"))
    yield from (f"support.call.mic.{what}" for what in ("open", "shut"))
    yield from (f"support.call.no-{what}" for what in ("loudspeaker", "microphone"))
    yield from (f"support.call.{what}" for what in ("hold", "heard", "bar"))
    yield "reason.video-on"
    yield from (f"support.still.{what}" for what in ("asked", "granted", "text"))
    yield from (f"failed.support-still{what}" for what in ("", "-refuse"))
    yield from (f"support.way.{way}" for way in ("none", "clock"))
    yield from (f"support.texted.{what}" for what in ("sending", "sent", "failed"))
    yield from (f"support.shell.{what}" for what in ("asked", "granted", "open", "text"))
