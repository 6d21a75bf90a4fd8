"""The session's states and names."""

from collections.abc import Iterator

from edgebox.media.session import Session
from edgebox.messages.base import Fault
from edgebox.messages.session import MediaSession

CAMERAS = ("front", "rear", "roof")


def names() -> Iterator[str]:
    yield from ("one", "two", "three")


def session(cameras: tuple[str, ...] = CAMERAS) -> Session:
    source = names()
    return Session(cameras, lambda: next(source), 10.0)


def test_starts_with_all_cameras_and_then_as_last_time() -> None:
    one = session()
    assert not one.sent
    assert one.start((), 11.0) is None
    assert (one.state, one.sent, one.since_utc, one.id) == ("live", CAMERAS, 11.0, "one")
    assert one.select(("rear", "front", "rear")) is None
    one.stop(12.0)
    assert (one.state, one.id) == ("idle", "two")
    assert not one.sent
    one.start((), 13.0)
    assert one.sent == ("rear", "front")


def test_starting_twice_changes_only_the_selection() -> None:
    one = session()
    one.start(("front",), 11.0)
    one.start(("rear",), 20.0)
    assert (one.since_utc, one.sent, one.id) == (11.0, ("rear",), "one")


def test_stopping_while_idle_keeps_the_name() -> None:
    one = session()
    one.stop(11.0)
    assert one.id == "one"


def test_refusals_change_nothing() -> None:
    one = session()
    for fault in (one.start(("nope",), 1.0), one.select(("nope",))):
        assert isinstance(fault, Fault)
        assert fault.reason == "not-found"
    empty = one.select(())
    assert isinstance(empty, Fault)
    assert (one.state, one.selected) == ("idle", CAMERAS)


def test_without_cameras_there_is_nothing_to_start() -> None:
    fault = session(()).start((), 1.0)
    assert isinstance(fault, Fault)
    assert fault.reason == "not-found"


def last(sent: tuple[str, ...]) -> MediaSession:
    return MediaSession(
        id="old", state="live", since_utc=5.0, instance="x", cameras=(), sent=sent, watchers=()
    )


def test_resumes_what_was_live() -> None:
    one = session()
    one.resume(last(("rear",)))
    assert (one.id, one.state, one.since_utc, one.sent) == ("old", "live", 5.0, ("rear",))


def test_resumes_with_the_cameras_there_are() -> None:
    one = session()
    one.resume(last(("gone",)))
    assert one.sent == CAMERAS
    none = session(())
    none.resume(last(("gone",)))
    assert none.state == "idle"
