"""What a simulated monitor can be told to do wrong. One line each, as from a keyboard.

silence 5        nothing for 5 s (0: for ever)
garbage 200      so many random bytes between frames
half             the next frame breaks off in the middle
checksum         the next frame has a wrong checksum, where the protocol has one
reboot           starts anew, as after a power cut
clock 3600       its clock jumps by so many seconds
lead-off         values and waves become invalid; `lead-on` ends it
demo             everything is marked as a demonstration; `real` ends it
alarm TEXT       an alarm with this text, where the protocol has them
"""

from dataclasses import dataclass, field


@dataclass
class Faults:
    """The state of all of it; whoever acts on a one-time fault takes it away."""

    silent_until: float = 0.0
    garbage_bytes: int = 0
    half: bool = False
    checksum: bool = False
    reboot: bool = False
    clock_s: float = 0.0
    lead_off: bool = False
    demo: bool = False
    alarms: list[str] = field(default_factory=list)

    def command(self, line: str, now: float) -> bool:
        """Take one line; False if it is not known."""
        word, _, rest = line.strip().partition(" ")
        match word:
            case "silence":
                self.silent_until = now + (_number(rest) or 1e12)
            case "garbage":
                self.garbage_bytes += int(_number(rest) or 100)
            case "half" | "checksum" | "reboot":
                setattr(self, word, True)
            case "clock":
                self.clock_s += _number(rest)
            case "lead-off" | "lead-on":
                self.lead_off = word == "lead-off"
            case "demo" | "real":
                self.demo = word == "demo"
            case "alarm":
                self.alarms.append(rest or "ALARM")
            case _:
                return False
        return True

    def is_silent(self, now: float) -> bool:
        """True while nothing may be sent."""
        return now < self.silent_until


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
