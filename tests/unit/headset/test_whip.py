"""WHIP (RFC 9725) line by line: each test fails when its rule is removed."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.headset import sdp, whip
from edgebox.headset.door import Lease, Refusal
from edgebox.headset.whip import Ask, Cut, Request, Response, Trickle, Whip

ONE, TWO = Lease("d1", "One", "11", 60.0), Lease("d2", "Two", "22", 60.0)
HEAD = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
    "a=rtpmap:96 H264/90000\r\n"
)
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
)
OFFER = HEAD + VIDEO + AUDIO
THREE = OFFER.replace("BUNDLE 0 1", "BUNDLE 0 1 2")
"""A third section may follow."""
FRAGMENT = (
    "a=ice-ufrag:abcd\r\nm=video 9 X 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
)


class FixedDoor:
    """Bearers and what they are worth."""

    def __init__(self) -> None:
        self.worth: dict[str, Lease | Refusal] = {
            "bearer-one": ONE,
            "bearer-two": TWO,
            "bearer-old": Refusal("expired"),
            "bearer-out": Refusal("revoked"),
            "bearer-far": Refusal("elsewhere"),
        }

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        return self.worth.get(bearer, Refusal("unknown"))

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        pass


def server() -> Whip:
    numbers = itertools.count()
    return Whip(FixedDoor(), lambda: f"token-{next(numbers)}")


def post(body: str = OFFER, bearer: str = "bearer-one", kind: str = "application/sdp") -> Request:
    return Request("POST", "", kind, f"Bearer {bearer}", "", body.encode())


def patch(
    session: str, body: str = FRAGMENT, bearer: str = "bearer-one", if_match: str = ""
) -> Request:
    kind = "application/trickle-ice-sdpfrag"
    return Request("PATCH", session, kind, f"Bearer {bearer}", if_match, body.encode())


def delete(
    session: str, bearer: str = "bearer-one", if_match: str = "", endpoint: str = "/whip"
) -> Request:
    return Request("DELETE", session, "", f"Bearer {bearer}", if_match, endpoint=endpoint)


def refused(result: Response | Ask) -> int:
    assert isinstance(result, Response)
    return result.status


def published(one: Whip, bearer: str = "bearer-one") -> str:
    """Token of a new session."""
    ask = one.receive(post(bearer=bearer), 1.0)
    assert isinstance(ask, Ask)
    response = one.answered(ask, "v=0 answer")
    assert response.status == 201
    return response.session


def orders(one: Whip) -> list[Trickle | Cut]:
    return list(iter(one.next_order, None))


# POST


def test_offer_is_answered_with_201_location_and_the_answer() -> None:
    one = server()
    ask = one.receive(post(), 1.0)
    assert ask == Ask("token-0", ONE, OFFER, "abcd")
    assert isinstance(ask, Ask)
    response = one.answered(ask, "v=0 answer")
    assert (response.status, response.body) == (201, "v=0 answer")
    assert response.headers["Location"] == "/whip/token-0"
    assert response.headers["Content-Type"] == "application/sdp"
    assert "ETag" not in response.headers  # ICE restart is not served
    assert one.sessions["token-0"].lease == ONE


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "application/sdpx"])
def test_another_type_is_415(kind: str) -> None:
    assert refused(server().receive(post(kind=kind), 1.0)) == 415


def test_parameters_of_the_type_do_not_matter() -> None:
    assert isinstance(server().receive(post(kind="Application/SDP; charset=utf-8"), 1.0), Ask)


def test_too_long_is_413() -> None:
    long = OFFER + "a=x:" + "y" * whip.BODY_MAX + "\r\n"
    assert refused(server().receive(post(long), 1.0)) == 413


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "{}",
        "v=1\r\n",
        HEAD,
        OFFER.replace("v=0", "v=1"),
        OFFER.replace("a=ice-ufrag:abcd\r\n", ""),
        OFFER.replace("a=ice-pwd:0123456789012345678901\r\n", ""),
        OFFER.replace("a=fingerprint", "a=print"),
        OFFER + "\x00\r\n",
        OFFER + "a=x\x07\r\n",
        OFFER + "a=" + "x" * 3000 + "\r\n",
    ],
)
def test_malformed_is_400(body: str) -> None:
    assert refused(server().receive(post(body), 1.0)) == 400


def test_bytes_that_are_no_text_are_400() -> None:
    body = OFFER.encode() + b"a=x:\xff\xfe\r\n"
    request = Request("POST", "", "application/sdp", "Bearer bearer-one", "", body)
    assert refused(server().receive(request, 1.0)) == 400


@pytest.mark.parametrize(
    "body",
    [
        THREE + VIDEO.replace("mid:0", "mid:2"),
        THREE + AUDIO.replace("mid:1", "mid:2"),
        OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n",
        OFFER + "m=text 9 RTP/AVP 1\r\na=mid:2\r\n",
        THREE + VIDEO.replace("m=video", "m=text").replace("mid:0", "mid:2"),
        HEAD + AUDIO,
        OFFER.replace("a=sendonly", "a=recvonly"),
        OFFER.replace("a=sendonly", "a=inactive"),
        OFFER.replace("a=rtcp-mux\r\n", ""),
        OFFER.replace("a=group:BUNDLE 0 1\r\n", ""),
        OFFER.replace("BUNDLE 0 1", "BUNDLE 0"),
        OFFER.replace("H264", "AV1"),
        OFFER.replace("opus", "PCMU"),
    ],
)
def test_what_is_not_served_is_422_for_the_whole_offer(body: str) -> None:
    assert refused(server().receive(post(body), 1.0)) == 422


def test_picture_alone_and_vp8_are_served() -> None:
    alone = HEAD.replace("BUNDLE 0 1", "BUNDLE 0") + VIDEO
    assert isinstance(server().receive(post(alone), 1.0), Ask)
    assert isinstance(server().receive(post(OFFER.replace("H264", "VP8")), 1.0), Ask)


def test_media_that_is_away_or_full_is_503_with_retry_after() -> None:
    for trouble in ("away", "busy"):
        one = server()
        ask = one.receive(post(), 1.0)
        assert isinstance(ask, Ask)
        response = one.answered(ask, None, trouble)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert not one.sessions
        assert refused(one.receive(delete(ask.session), 1.0)) == 404


def test_what_media_cannot_read_is_400_and_what_it_does_not_serve_422() -> None:
    one = server()
    for trouble, status in (("malformed", 400), ("unacceptable", 422)):
        ask = one.receive(post(), 1.0)
        assert isinstance(ask, Ask)
        assert one.answered(ask, None, trouble).status == status  # type: ignore[arg-type]


def test_too_many_devices_are_503_and_one_of_them_may_begin_anew() -> None:
    one = server()
    door = one._door
    assert isinstance(door, FixedDoor)
    for number in range(whip.SESSIONS_MAX):
        door.worth[f"bearer-{number}"] = Lease(f"n{number}", "N", "00", 60.0)
        published(one, f"bearer-{number}")
    response = one.receive(post(bearer="bearer-two"), 1.0)
    assert isinstance(response, Response)
    assert (response.status, response.headers["Retry-After"]) == (503, "10")
    published(one, "bearer-0")


def test_offers_that_media_has_not_answered_are_limited() -> None:
    one = server()
    for _ in range(whip.ASKING_MAX):
        assert isinstance(one.receive(post(), 1.0), Ask)
    assert refused(one.receive(post(), 1.0)) == 503


def test_a_device_has_one_session_and_the_new_answer_ends_the_old() -> None:
    one = server()
    first = published(one)
    second = published(one)
    assert orders(one) == [Cut(first)]
    assert list(one.sessions) == [second]
    assert refused(one.receive(delete(first), 1.0)) == 404


def test_nothing_is_redirected() -> None:
    one = server()
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
        result = one.receive(Request(method), 1.0)
        assert isinstance(result, Response)
        assert not 300 <= result.status < 400


# GET, HEAD, OPTIONS and the rest


@pytest.mark.parametrize("session", ["", "token-0", "nobody"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_is_an_empty_2xx(method: str, session: str) -> None:
    response = server().receive(Request(method, session), 1.0)
    assert isinstance(response, Response)
    assert (response.status, response.body) == (204, "")


def test_options_needs_no_bearer_and_says_what_may_be_posted() -> None:
    response = server().receive(Request("OPTIONS"), 1.0)
    assert isinstance(response, Response)
    assert response.status == 200
    assert response.headers["Accept-Post"] == "application/sdp"
    assert {"POST", "PATCH", "DELETE"} <= set(
        response.headers["Access-Control-Allow-Methods"].split(", ")
    )
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


def test_options_of_a_session_says_what_may_be_patched() -> None:
    response = server().receive(Request("OPTIONS", "x"), 1.0)
    assert isinstance(response, Response)
    assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"


def test_every_answer_may_be_read_by_another_origin() -> None:
    one = server()
    token = published(one)
    requests = [
        post(kind=""),
        post("x"),
        post(bearer="wrong-one"),
        patch(token),
        patch("x"),
        delete("x"),
        delete(token),
        Request("GET"),
        Request("OPTIONS"),
        Request("PUT"),
    ]
    for request in requests:
        response = one.receive(request, 1.0)
        assert isinstance(response, Response)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "ETag", "Link"} <= set(exposed)


@pytest.mark.parametrize(
    ("method", "session", "allowed"),
    [("PUT", "", "POST"), ("DELETE", "", "POST"), ("PATCH", "", "POST"), ("POST", "x", "PATCH")],
)
def test_other_methods_are_405_with_allow(method: str, session: str, allowed: str) -> None:
    response = server().receive(Request(method, session), 1.0)
    assert isinstance(response, Response)
    assert response.status == 405
    assert allowed in response.headers["Allow"]


# PATCH


def test_trickled_candidates_are_204_and_reach_media() -> None:
    one = server()
    token = published(one)
    response = one.receive(patch(token), 1.0)
    assert isinstance(response, Response)
    assert (response.status, response.body) == (204, "")
    assert "ETag" not in response.headers
    assert orders(one) == [Trickle(token, ("candidate:1 1 udp 1 192.0.2.1 9 typ host",))]


def test_end_of_candidates_is_204() -> None:
    one = server()
    token = published(one)
    body = "a=ice-ufrag:abcd\r\nm=video 9 X 0\r\na=mid:0\r\na=end-of-candidates\r\n"
    assert refused(one.receive(patch(token, body), 1.0)) == 204
    assert orders(one) == []


def test_ice_restart_is_422_and_the_session_stands() -> None:
    one = server()
    token = published(one)
    restart = FRAGMENT.replace("abcd", "efgh")
    assert refused(one.receive(patch(token, restart), 1.0)) == 422
    assert refused(one.receive(patch(token, restart, if_match="*"), 1.0)) == 422
    assert refused(one.receive(patch(token, FRAGMENT, if_match="*"), 1.0)) == 422
    assert orders(one) == []
    assert refused(one.receive(patch(token), 1.0)) == 204


def test_entity_tag_that_was_never_given_is_412() -> None:
    one = server()
    token = published(one)
    assert refused(one.receive(patch(token, if_match='"abc"'), 1.0)) == 412
    assert orders(one) == []


def test_patch_of_another_type_too_long_or_malformed() -> None:
    one = server()
    token = published(one)
    wrong = Request("PATCH", token, "application/sdp", "Bearer bearer-one", "", FRAGMENT.encode())
    assert refused(one.receive(wrong, 1.0)) == 415
    long = FRAGMENT + "a=x:" + "y" * whip.BODY_MAX
    assert refused(one.receive(patch(token, long), 1.0)) == 413
    assert refused(one.receive(patch(token, "hello"), 1.0)) == 400
    assert refused(one.receive(patch(token, "v=0\r\n"), 1.0)) == 400
    many = FRAGMENT + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 40
    assert refused(one.receive(patch(token, many), 1.0)) == 400


def test_candidates_of_a_session_are_limited() -> None:
    one = server()
    token = published(one)
    for _ in range(whip.CANDIDATES_MAX + 10):
        assert refused(one.receive(patch(token), 1.0)) == 204
    passed = sum(len(order.candidates) for order in orders(one) if isinstance(order, Trickle))
    assert passed == whip.CANDIDATES_MAX


# DELETE and other ends


def test_delete_ends_whatever_if_match_says() -> None:
    one = server()
    token = published(one)
    assert refused(one.receive(delete(token, if_match='"stale"'), 1.0)) == 200
    assert orders(one) == [Cut(token)]
    assert not one.sessions
    assert refused(one.receive(delete(token), 1.0)) == 404
    assert refused(one.receive(patch(token), 1.0)) == 404


def test_expired_consent_ends_it_too() -> None:
    one = server()
    token = published(one)
    one.ended(token)
    assert refused(one.receive(patch(token), 1.0)) == 404
    assert orders(one) == []


def test_media_that_was_restarted_has_no_session() -> None:
    one = server()
    token = published(one)
    one.all_ended()
    assert refused(one.receive(delete(token), 1.0)) == 404


def test_lease_that_ends_cuts_its_session_and_no_other() -> None:
    one = server()
    first, second = published(one), published(one, "bearer-two")
    one.lease_ended(ONE)
    assert orders(one) == [Cut(first)]
    assert list(one.sessions) == [second]


def test_lease_that_ends_while_media_thinks_leaves_nothing_behind() -> None:
    one = server()
    ask = one.receive(post(), 1.0)
    assert isinstance(ask, Ask)
    one.lease_ended(ONE)
    orders(one)
    assert one.answered(ask, "v=0 answer").status == 409
    assert orders(one) == [Cut(ask.session)]
    assert not one.sessions


def test_session_that_media_has_not_answered_is_none_yet() -> None:
    one = server()
    ask = one.receive(post(), 1.0)
    assert isinstance(ask, Ask)
    assert refused(one.receive(patch(ask.session), 1.0)) == 404
    assert refused(one.receive(delete(ask.session), 1.0)) == 404
    assert orders(one) == []
    assert one.answered(ask, "v=0 answer").status == 201


# Bearers


@pytest.mark.parametrize(
    "authorization", ["", "Basic abcdefgh", "Bearer", "Bearer x", "Bearer a b"]
)
def test_without_a_bearer_it_is_401(authorization: str) -> None:
    one = server()
    token = published(one)
    for request in (
        Request("POST", "", "application/sdp", authorization, "", OFFER.encode()),
        Request("PATCH", token, "application/trickle-ice-sdpfrag", authorization),
        Request("DELETE", token, "", authorization),
    ):
        response = one.receive(request, 1.0)
        assert isinstance(response, Response)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert list(one.sessions) == [token]


@pytest.mark.parametrize(
    ("bearer", "status"),
    [("no-such-bearer", 401), ("bearer-old", 401), ("bearer-out", 403), ("bearer-far", 403)],
)
def test_bearer_worth_nothing_is_refused_everywhere(bearer: str, status: int) -> None:
    one = server()
    token = published(one)
    assert refused(one.receive(post(bearer=bearer), 1.0)) == status
    assert refused(one.receive(patch(token, bearer=bearer), 1.0)) == status
    assert refused(one.receive(delete(token, bearer=bearer), 1.0)) == status
    assert list(one.sessions) == [token]


def test_bearer_is_asked_before_the_body_is_read() -> None:
    assert refused(server().receive(post("hello", bearer="no-such-bearer"), 1.0)) == 401


def test_stolen_session_url_is_worth_nothing() -> None:
    one = server()
    token = published(one)
    assert refused(one.receive(delete(token, bearer="bearer-two"), 1.0)) == 404
    assert refused(one.receive(patch(token, bearer="bearer-two"), 1.0)) == 404
    assert list(one.sessions) == [token]


# Any bytes


@given(st.binary(max_size=400))
def test_any_bytes_are_an_offer_or_refused(body: bytes) -> None:
    for read in (sdp.read_offer, sdp.read_fragment):
        try:
            read(body)
        except RemoteProtocolError:
            continue


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*OFFER.split("\r\n"), *FRAGMENT.split("\r\n")]),
            st.text(max_size=30),
        ),
        max_size=40,
    )
)
def test_any_lines_are_answered(lines: list[str]) -> None:
    one = server()
    body = "\r\n".join(lines)
    result = one.receive(post(body), 1.0)
    assert isinstance(result, Ask) or result.status in {400, 413, 422}
    token = published(one, "bearer-two")
    again = one.receive(patch(token, body, "bearer-two"), 1.0)
    assert isinstance(again, Response)
    assert again.status in {204, 400, 413, 422}
