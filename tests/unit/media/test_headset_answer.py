"""Media's answer to a headset's offer, as RFC 9725 (4.2, 4.4) wants it."""

import itertools
from pathlib import Path

import pytest

from edgebox.errors import RemoteProtocolError
from edgebox.media.guest import GuestPicture
from edgebox.media.headset import ALLOWED
from edgebox.media.offer import Offer
from edgebox.media.publisher import Call, Connection
from tests.unit.headset.test_whip import AUDIO, HEAD, OFFER, VIDEO

CHROMIUM = (Path(__file__).parent / "chromium_call_offer.sdp").read_text()
FINE = OFFER.replace(
    "a=rtpmap:96 H264/90000\r\n",
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;"
    "profile-level-id=42e01f\r\n",
).replace("a=fingerprint", "a=setup:actpass\r\na=fingerprint")


async def answered(text: str) -> list[list[str]]:
    """Lines of the head and of each section."""
    connection = Connection([], lambda: None, call=Call(picture=GuestPicture(lambda: None)))
    try:
        lines = (await connection.answer_on(Offer(text, ALLOWED), "127.0.0.1")).splitlines()
    finally:
        await connection.close()
    starts = [0, *(n for n, line in enumerate(lines) if line.startswith("m=")), len(lines)]
    return [lines[start:end] for start, end in itertools.pairwise(starts)]


async def test_everything_is_received_and_nothing_is_sent() -> None:
    head, picture, sound = await answered(FINE)
    assert "a=recvonly" in picture
    assert not any(line in {"a=sendrecv", "a=sendonly"} for line in [*head, *picture, *sound])


async def test_all_is_in_one_bundle_with_its_rtcp() -> None:
    head, *sections = await answered(FINE)
    assert "a=group:BUNDLE 0 1" in head
    for section in sections:
        assert "a=rtcp-mux" in section
        assert not section[0].startswith(("m=video 0 ", "m=audio 0 "))


async def test_all_candidates_are_in_the_answer_and_are_of_the_access_point() -> None:
    _, *sections = await answered(FINE)
    candidates = [line for part in sections for line in part if line.startswith("a=candidate:")]
    assert candidates
    assert {line.split()[4] for line in candidates} == {"127.0.0.1"}
    assert "a=end-of-candidates" in sections[0]


@pytest.mark.parametrize(
    "text", [FINE.replace("a=rtcp-mux\r\n", ""), HEAD + VIDEO.replace("mid:0", "mid:9") + AUDIO]
)
async def test_what_is_not_bundled_is_not_answered(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Offer(text, ALLOWED)
