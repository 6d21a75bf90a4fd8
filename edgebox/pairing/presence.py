"""Somebody is in this vehicle: a code on its panel, which changes and works once.

As text in the QR code: `EDGE2:<box>:<22 characters>`, 128 random bits. The box's id lets a device
say itself that the code is another vehicle's. A code says nothing about the vehicle but that.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from edgebox.pairing import keys

CODE_S = 30.0
"""The panel shows another one then."""
GRACE_S = 10.0
"""Scanned at its end, it still has to travel."""
TEXT = re.compile(r"EDGE2:([a-z0-9][a-z0-9-]{0,31}):([A-Za-z0-9_-]{22})")


@dataclass(frozen=True)
class _Code:
    text: str
    ends_at: float
    """The panel takes it away then."""


class Codes:
    """The codes of one panel: the one shown now and the one before."""

    def __init__(self, box: str, random: Callable[[int], bytes]):
        self._box = box
        self._random = random
        self._codes: list[_Code] = []

    def shown(self, now: float) -> tuple[str, float]:
        """The code to show, and for how many seconds."""
        if not self._codes or now >= self._codes[-1].ends_at:
            text = f"EDGE2:{self._box}:{keys.encode(self._random(16))}"
            self._codes = [*self._codes[-1:], _Code(text, now + CODE_S)]
        return self._codes[-1].text, self._codes[-1].ends_at - now

    def spend(self, text: str, now: float) -> bool:
        """Whether this code was shown a moment ago and nobody has used it."""
        for code in self._codes:
            if hmac.compare_digest(code.text.encode(), text.encode()):
                self._codes.remove(code)
                return now < code.ends_at + GRACE_S
        return False
