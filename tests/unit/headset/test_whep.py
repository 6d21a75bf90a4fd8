"""WHEP: the same rules as WHIP at another endpoint; what may be asked for is another."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.headset import sdp, whip
from edgebox.headset.whep import whep
from edgebox.headset.whip import Ask, Cut, Request, Whip
from tests.unit.headset.test_whip import (
    AUDIO,
    HEAD,
    OFFER,
    ONE,
    VIDEO,
    FixedDoor,
    delete,
    orders,
    patch,
    refused,
)

SOUND = AUDIO.replace("a=sendonly", "a=recvonly")
LISTEN = HEAD.replace("BUNDLE 0 1", "BUNDLE 1") + SOUND


def server() -> Whip:
    numbers = itertools.count()
    return whep(FixedDoor(), lambda: f"token-{next(numbers)}")


def hear(body: str = LISTEN, bearer: str = "bearer-one", kind: str = "application/sdp") -> Request:
    return Request("POST", "", kind, f"Bearer {bearer}", "", body.encode(), "/whep")


def listening(one: Whip, bearer: str = "bearer-one") -> str:
    """Token of a new session."""
    ask = one.receive(hear(bearer=bearer), 1.0)
    assert isinstance(ask, Ask)
    return one.answered(ask, "v=0 answer").session


def test_offer_is_answered_with_a_location_of_this_endpoint() -> None:
    one = server()
    ask = one.receive(hear(), 1.0)
    assert ask == Ask("token-0", ONE, LISTEN, "abcd")
    assert isinstance(ask, Ask)
    response = one.answered(ask, "v=0 answer")
    assert (response.status, response.body) == (201, "v=0 answer")
    assert response.headers["Location"] == "/whep/token-0"


def test_sendrecv_is_served_as_well() -> None:
    """A player may offer it (4.2); the answer is sendonly."""
    both = LISTEN.replace("a=recvonly", "a=sendrecv")
    assert isinstance(server().receive(hear(both), 1.0), Ask)


@pytest.mark.parametrize(
    "body",
    [
        OFFER,
        LISTEN.replace("a=recvonly", "a=sendonly"),
        LISTEN.replace("a=recvonly", "a=inactive"),
        LISTEN.replace("a=recvonly\r\n", ""),
        HEAD + VIDEO.replace("a=sendonly", "a=recvonly"),
        HEAD + VIDEO.replace("a=sendonly", "a=recvonly") + SOUND,
        LISTEN + SOUND.replace("mid:1", "mid:2"),
        LISTEN + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n",
        LISTEN.replace("opus/48000/2", "PCMU/8000"),
        LISTEN.replace("a=rtcp-mux\r\n", ""),
        LISTEN.replace("BUNDLE 1", "BUNDLE 7"),
    ],
)
def test_anything_but_one_sound_that_is_received_is_422(body: str) -> None:
    assert refused(server().receive(hear(body), 1.0)) == 422


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (hear(bearer="bearer-of-nobody"), 401),
        (hear(bearer="bearer-old"), 401),
        (hear(bearer="bearer-out"), 403),
        (hear(kind="text/plain"), 415),
        (hear("v=0\r\n"), 400),
        (hear(LISTEN + "a=x:" + "y" * whip.BODY_MAX + "\r\n"), 413),
        (Request("GET", endpoint="/whep"), 204),
        (Request("OPTIONS", endpoint="/whep"), 200),
        (Request("PUT", endpoint="/whep"), 405),
    ],
)
def test_rules_of_whip_hold(request_: Request, status: int) -> None:
    assert refused(server().receive(request_, 1.0)) == status


def test_a_stolen_address_of_a_session_is_worth_nothing() -> None:
    one = server()
    token = listening(one)
    assert refused(one.receive(delete(token, "bearer-two"), 1.0)) == 404
    assert refused(one.receive(patch(token, bearer="bearer-two"), 1.0)) == 404
    assert refused(one.receive(delete(token), 1.0)) == 200
    assert orders(one) == [Cut(token)]


def test_a_device_hears_once() -> None:
    one = server()
    first, _ = listening(one), listening(one)
    assert orders(one) == [Cut(first)]


def test_lease_that_ends_ends_the_session() -> None:
    one = server()
    token = listening(one)
    one.lease_ended(ONE)
    assert orders(one) == [Cut(token)]


@given(st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        sdp.read_request(body)


@given(st.lists(st.sampled_from([*LISTEN.splitlines(), "m=video 9 X 0", "a=inactive", "a="])))
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    try:
        text, _ = sdp.read_request("\r\n".join(lines).encode())
    except RemoteProtocolError:
        return
    assert text.count("m=") == 1
