"""Microphone and loudspeaker, by media's word: the devices are open and samples flow.

Whether somebody hears what the loudspeaker plays is not tried: media holds both devices, and a tone
in the cabin is the crew's to give. That is said, and never counted as good.
"""

from dataclasses import dataclass

from edgebox.messages.session import SoundStatus
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, fault, good, untested
from edgebox.support.surroundings import Surroundings


@dataclass(frozen=True)
class Facts:
    """None: media does not say."""

    sound: SoundStatus | None


async def read(here: Surroundings) -> Facts:
    """What was heard."""
    session = here.heard.session
    return Facts(None if session is None else session.sound)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One for each device, and one for what was not tried."""
    if facts.sound is None:
        return (untested("unheard", "media says nothing"),)
    states = (facts.sound.microphone, facts.sound.loudspeaker)
    if states == ("none", "none"):
        return (untested("absent", "neither microphone nor loudspeaker is configured"),)
    devices = (
        _judge_one("microphone", facts.sound.microphone, facts.sound.detail),
        _judge_one("loudspeaker", facts.sound.loudspeaker, facts.sound.detail),
    )
    return (*devices, untested("unheard-tone", "no tone was played and listened for"))


def _judge_one(device: str, state: str, detail: str) -> Verdict:
    measured = f"{device}: {state}"
    if state == "none":
        return untested(f"no-{device}", f"no {device} is configured")
    if state in {"absent", "failed"}:
        look_at = detail or "arecord -l, aplay -l; journalctl -u edgebox-media"
        return fault(f"{state}-{device}", measured, look_at)
    if state == "starting":
        return untested("starting", measured)
    return good(measured)


SOUND = Check("sound", read, judge)
