"""From the loop to the threads."""

import threading

from edgebox.messages.marks import Pointing
from edgebox.panel.feed import CLIENTS_MAX, Feed, Place
from tests.unit.panel.heard import Heard, live


def test_waiting_thread_gets_the_change() -> None:
    heard = Heard().whole()
    feed = Feed(heard.view())
    number, *_ = feed.wait(Place(), 0)
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(feed.wait(number, 10)[1].screen))
    thread.start()
    heard.hear(live())
    feed.publish(heard.view())
    thread.join(10)
    assert seen == ["live"]


def test_equal_view_wakes_nobody() -> None:
    heard = Heard().whole()
    feed = Feed(heard.view())
    number, *_ = feed.wait(Place(), 0)
    feed.publish(heard.view())
    assert feed.wait(number, 0)[0] == number


def test_marks_wake_who_waits_and_come_once() -> None:
    feed = Feed(Heard().view())
    place, _, marks = feed.wait(Place(), 0)
    assert [mark.kind for mark in marks] == ["wipe"], "whatever the page had drawn"
    pointing = Pointing(participant="k", name="Kari", camera="front", on=True, x=0.5, y=0.25)
    thread = threading.Thread(target=lambda: feed.mark(lambda m: m.point(pointing, "Kari")))
    thread.start()
    later, _, marks = feed.wait(place, 10)
    thread.join(10)
    assert [(mark.kind, mark.name, mark.points) for mark in marks] == [
        ("point", "Kari", ((0.5, 0.25),))
    ]
    assert feed.wait(later, 0) == (later, feed.view, [])


def test_close_wakes_all() -> None:
    feed = Feed(Heard().view())
    number, *_ = feed.wait(Place(), 0)
    thread = threading.Thread(target=lambda: feed.wait(number, 10))
    thread.start()
    feed.close()
    thread.join(5)
    assert not thread.is_alive()
    assert feed.closed


def test_places_are_limited_and_given_back() -> None:
    feed = Feed(Heard().view())
    places = [feed.client() for _ in range(CLIENTS_MAX + 1)]
    assert [place.__enter__() for place in places] == [True] * CLIENTS_MAX + [False]
    places[-1].__exit__(None, None, None)
    with feed.client() as free:
        assert not free, "a refused client gives back nothing"
    places[0].__exit__(None, None, None)
    with feed.client() as free:
        assert free
    for place in places[1:-1]:
        place.__exit__(None, None, None)
