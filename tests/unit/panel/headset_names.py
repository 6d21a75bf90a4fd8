"""Every name of a sentence that the headsets' part of the panel can ask for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from edgebox.messages.pairing import Reason
from edgebox.panel import headset_page
from edgebox.panel.headset_view import CertificateState, RegistryState


def names() -> Iterator[str]:
    """By whom they are asked for: words, page."""
    yield from ("headset.paired", "headset.asks")
    yield from (f"headset.refused.{reason}" for reason in get_args(Reason))
    yield from (f"headset.list.{state}" for state in get_args(RegistryState) if state != "good")
    shown = set(get_args(CertificateState)) - {"good", "off"}
    yield from (f"headset.certificate.{state}" for state in shown)
    source = Path(headset_page.__file__).read_text()
    whats = set(re.findall(r"(?:_answer|say_fault)\(.*, \"([a-z-]+)\"", source))
    assert whats == {"headset", "headset-allow"}
    yield from (f"failed.{what}" for what in whats)
