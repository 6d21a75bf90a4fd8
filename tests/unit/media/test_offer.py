"""Offers from browsers, and offers from nobody good."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.media.offer import Allowed, Offer
from edgebox.media.sdp import CANDIDATES_MAX, parse_candidate

CHROMIUM = (Path(__file__).parent / "chromium_offer.sdp").read_bytes().decode()
"""As Chromium 156 makes it for two video sections; carriage returns and all."""

FIREFOX = "\r\n".join(
    [
        "v=0",
        "o=mozilla...THIS_IS_SDPARTA-99.0 1 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=group:BUNDLE 0 2",
        "a=ice-options:trickle",
        "m=video 9 UDP/TLS/RTP/SAVPF 120 126 127 97 98",
        "c=IN IP4 0.0.0.0",
        "a=recvonly",
        "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1",
        "a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1",
        "a=fmtp:127 apt=126",
        "a=ice-pwd:0123456789abcdef0123456789abcdef",
        "a=ice-ufrag:abcdef12",
        "a=mid:0",
        "a=rtcp-fb:126 nack",
        "a=rtcp-fb:126 nack pli",
        "a=rtcp-fb:126 goog-remb",
        "a=rtcp-mux",
        "a=rtpmap:120 VP8/90000",
        "a=rtpmap:126 H264/90000",
        "a=rtpmap:127 rtx/90000",
        "a=rtpmap:97 H264/90000",
        "a=setup:actpass",
        "m=audio 9 UDP/TLS/RTP/SAVPF 109",
        "a=recvonly",
        "a=mid:2",
        "a=rtpmap:109 opus/48000/2",
        "",
    ]
)


def test_chromium_is_served_in_the_profile_that_all_can_decode() -> None:
    offer = Offer(CHROMIUM)
    assert [section.mid for section in offer.served] == ["0", "1"]
    lines = offer.text.split("\r\n")
    assert lines.count("m=video 9 UDP/TLS/RTP/SAVPF 108 102 103 109") == 2, lines
    assert "a=group:BUNDLE 0 1" in lines
    assert "VP8" not in offer.text
    assert "a=rtcp-fb:108 nack pli" in lines
    assert "a=fmtp:109 apt=108" in lines


def test_firefox_has_its_fingerprint_in_the_session_part() -> None:
    offer = Offer(FIREFOX)
    assert [section.mid for section in offer.served] == ["0"]
    assert "m=video 9 UDP/TLS/RTP/SAVPF 126 127\r\n" in offer.text
    assert "a=fingerprint:sha-256 AB:AB" in offer.text


def test_sections_we_do_not_serve_are_rejected_in_their_place() -> None:
    answer = "v=0\r\na=group:BUNDLE 0\r\nm=video 9 X 126\r\na=mid:0\r\n"
    complete = Offer(FIREFOX).complete(answer)
    assert complete.startswith(answer)
    assert complete.endswith(
        "m=audio 0 UDP/TLS/RTP/SAVPF 109\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:2\r\n"
    )


def test_a_rejected_section_of_the_offer_stays_rejected_but_bundle_only_does_not() -> None:
    zero = CHROMIUM.replace("m=video 9", "m=video 0")
    assert not Offer(zero).served
    assert len(Offer(zero.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=bundle-only\r\n")).served) == 2


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_who_does_not_want_to_receive_gets_nothing(direction: str) -> None:
    assert not Offer(CHROMIUM.replace("a=recvonly", f"a={direction}")).served


def test_a_browser_without_h264_is_not_served() -> None:
    assert not Offer(CHROMIUM.replace("H264", "H265")).served


def test_candidates_of_the_bundle_are_read_and_names_are_not() -> None:
    good = "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0\r\n"
    name = "a=candidate:2 1 udp 2122260223 abc.local 50000 typ host\r\n"
    tcp = "a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active\r\n"
    offer = Offer(CHROMIUM.replace("a=mid:0\r\n", "a=mid:0\r\n" + good + name + tcp))
    assert [(c.host, c.port, c.type) for c in offer.candidates] == [("192.0.2.7", 50000, "host")]
    many = Offer(CHROMIUM.replace("a=mid:0\r\n", "a=mid:0\r\n" + good * 500))
    assert len(many.candidates) == CANDIDATES_MAX
    assert "candidate" not in many.text


HOSTILE = {
    "empty": "",
    "not SDP": "hello",
    "no section": "v=0\r\ns=-\r\n",
    "too long": CHROMIUM + "a=x\r\n" * 20_000,
    "too many sections": "v=0\r\n" + "m=video 9 X 96\r\na=mid:0\r\n" * 17,
    "same mid twice": CHROMIUM.replace("a=mid:1", "a=mid:0"),
    "no mid": CHROMIUM.replace("a=mid:0\r\n", ""),
    "mid with a space": CHROMIUM.replace("a=mid:0", "a=mid:0 1"),
    "no password": CHROMIUM.replace("a=ice-pwd", "a=x"),
    "short password": re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:abc", CHROMIUM),
    "no fingerprint": CHROMIUM.replace("a=fingerprint", "a=x"),
    "weak fingerprint": CHROMIUM.replace("a=fingerprint:sha-256", "a=fingerprint:md5"),
    "no setup": CHROMIUM.replace("a=setup", "a=x"),
    "no rtcp-mux": CHROMIUM.replace("a=rtcp-mux", "a=x"),
    "broken m line": CHROMIUM.replace("m=video 9", "m=video -1"),
    "huge port": CHROMIUM.replace("m=video 9 ", "m=video 999999999 "),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_offers_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Offer(HOSTILE[name])


LINES = CHROMIUM.splitlines()


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.one_of(st.sampled_from(LINES), st.text(max_size=40), st.just("")),
        ),
        max_size=8,
    )
)
def test_any_text_is_answered_or_refused(changes: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for place, line in changes:
        lines[place] = line
    try:
        offer = Offer("\r\n".join(lines))
    except RemoteProtocolError:
        return
    for line in offer.text.split("\r\n"):
        assert re.fullmatch(r"([vostcma]=[\x20-\x7e]*)?", line)


@given(st.text(max_size=300))
def test_any_candidate_is_one_or_none(text: str) -> None:
    parse_candidate(text)
    parse_candidate(f"candidate:1 1 udp 1 192.0.2.1 1 typ {text}")


CALL = (Path(__file__).parent / "chromium_call_offer.sdp").read_bytes().decode()
"""Two pictures, sound both ways, an own camera, a data channel; as Chromium 156 offers them."""
ALL = Allowed(hears=True, speaks=True, shows=True, data=True)


def uses(offer: Offer) -> list[tuple[str, str, str]]:
    return [(section.mid, section.use, section.direction) for section in offer.served]


def test_a_call_is_served_in_full_to_who_may_have_it() -> None:
    offer = Offer(CALL, ALL)
    assert uses(offer) == [
        ("0", "picture", "sendonly"),
        ("1", "picture", "sendonly"),
        ("2", "sound", "sendrecv"),
        ("3", "guest", "recvonly"),
        ("4", "data", "sendrecv"),
    ]
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" in offer.text
    assert "a=ssrc:3026601369 cname:guest\r\na=ssrc:733221345 cname:guest\r\n" in offer.text
    guest = offer.of("guest")[0]
    codecs = [line for line in guest.lines if line.startswith("a=rtpmap")]
    assert codecs[0].endswith("H264/90000")
    assert "a=rtpmap:96 VP8/90000" in codecs


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (Allowed(), ["picture", "picture"]),
        (Allowed(pictures=False, hears=True, speaks=True), ["sound"]),
        (Allowed(pictures=False, speaks=True, shows=True), ["sound", "guest"]),
        (Allowed(pictures=False), []),
    ],
)
def test_a_role_gets_no_section_it_has_no_right_to(allowed: Allowed, expected: list[str]) -> None:
    assert [section.use for section in Offer(CALL, allowed).served] == expected


@pytest.mark.parametrize(
    ("offered", "hears", "speaks", "ours"),
    [
        ("sendrecv", True, False, "sendonly"),
        ("sendrecv", False, True, "recvonly"),
        ("recvonly", True, True, "sendonly"),
        ("sendonly", True, True, "recvonly"),
        ("sendonly", True, False, ""),
        ("inactive", True, True, ""),
    ],
)
def test_sound_goes_where_both_right_and_offer_allow(
    offered: str, hears: bool, speaks: bool, ours: str
) -> None:
    text = CALL.replace("a=sendrecv", f"a={offered}")
    sound = Offer(text, Allowed(hears=hears, speaks=speaks)).of("sound")
    assert [section.direction for section in sound] == ([ours] if ours else [])
    theirs = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(ours)
    assert not sound or f"a={theirs}" in sound[0].lines


def test_one_microphone_and_one_camera_of_a_guest_are_enough() -> None:
    head, *sections = re.split(r"^(?=m=)", CALL, flags=re.MULTILINE)
    again = [part.replace("a=mid:", "a=mid:x") for part in sections]
    mids = "0 1 2 3 4 x0 x1 x2 x3 x4"
    text = head.replace("BUNDLE 0 1 2 3 4", f"BUNDLE {mids}") + "".join(sections + again)
    counted = [use for _, use, _ in uses(Offer(text, ALL))]
    assert (counted.count("sound"), counted.count("guest"), counted.count("data")) == (1, 1, 1)


def test_codecs_we_do_not_know_are_rejected() -> None:
    text = CALL.replace("opus/48000", "lyra/16000").replace("VP8", "XX8").replace("H264", "YY4")
    assert [use for _, use, _ in uses(Offer(text, ALL))] == ["data"]


def test_the_answer_limits_a_guests_camera() -> None:
    offer = Offer(CALL, Allowed(pictures=False, shows=True))
    answer = "v=0\r\nm=video 9 X 96\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\n"
    limited = "m=video 9 X 96\r\nc=IN IP4 0.0.0.0\r\nb=AS:700\r\na=mid:3\r\n"
    assert limited in offer.complete(answer)


def test_the_answer_asks_for_error_correction_and_silence_suppression() -> None:
    offer = Offer(CALL, Allowed(pictures=False, hears=True, speaks=True))
    answer = "v=0\r\nm=audio 9 X 111\r\na=rtpmap:111 opus/48000/2\r\na=mid:2\r\n"
    lines = offer.complete(answer).split("\r\n")
    parameters = lines[lines.index("a=rtpmap:111 opus/48000/2") + 1]
    assert parameters.startswith("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;")
    assert lines.count("a=inactive") == 4
