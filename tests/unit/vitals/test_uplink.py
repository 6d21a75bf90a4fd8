"""Box to hub over a connection that loses, repeats and comes back: once and in order."""

import random

import pytest
from sqlalchemy import func, select

from edgebox.hub.vitals_store import StreamKey, VitalsStore, batches
from edgebox.messages.vitals import VitalsAck, VitalsBatch, VitalsKind
from edgebox.vitals.uplink import (
    ACK_TIMEOUT_S,
    BURST_BYTES,
    RATE_BPS,
    WINDOW_BYTES,
    WINDOW_MIN_BYTES,
    Uplink,
)

BOX = "box-1"


def batch(stream: str, seq: int, first: int = 1, kind: VitalsKind = "numerics") -> VitalsBatch:
    return VitalsBatch(
        stream=stream,
        kind=kind,
        opened_utc=0.0,
        seq=seq,
        first=first,
        at_utc=float(seq),
        content=b"%d" % seq,
    )


def ready(*flows: tuple[str, str, int, int]) -> Uplink:
    """An uplink whose hub has nothing yet."""
    uplink = Uplink(0.0)
    for number, (stream, kind, first, next_seq) in enumerate(flows):
        uplink.update(stream, kind, number, first, next_seq)
    asked = uplink.question(0.0)
    uplink.answered([VitalsAck(stream=one, through=0) for one in asked], 0.0)
    return uplink


def test_nothing_is_sent_before_the_hub_said_how_far_it_is() -> None:
    uplink = Uplink(0.0)
    assert uplink.question(0.0) == ()
    uplink.update("s", "numerics", 1, 1, 5)
    assert uplink.next_stream(0.0) is None
    assert uplink.question(0.0) == ("s",)
    assert uplink.question(0.1) == ()
    assert uplink.question(0.6) == ("s",)
    assert uplink.answered([VitalsAck(stream="s", through=2)], 0.7) == [("s", 2)]
    assert uplink.next_stream(0.7) == ("s", 3, WINDOW_BYTES)


def test_values_go_before_waves_and_old_before_new() -> None:
    uplink = ready(("w1", "waves", 1, 3), ("n1", "numerics", 1, 2), ("n2", "numerics", 1, 2))
    order = []
    while (found := uplink.next_stream(0.0)) is not None:
        order.append(found[:2])
        uplink.sent(found[0], found[1], 100, 0.0)
    assert order == [("n1", 1), ("w1", 1), ("w1", 2)], "the hub may not get n1"
    uplink.acknowledged(VitalsAck(stream="n1", through=1), 0.1)
    assert uplink.next_stream(0.1) == ("n2", 1, WINDOW_BYTES - 200)


def test_window_is_filled_and_freed_by_acknowledgement() -> None:
    uplink = ready(("s", "numerics", 1, 100))
    for seq in (1, 2, 3):
        uplink.sent("s", seq, WINDOW_BYTES // 3, 0.0)
    assert uplink.next_stream(0.0) is None
    assert uplink.acknowledged(VitalsAck(stream="s", through=2), 0.1) == 2
    found = uplink.next_stream(0.1)
    assert found is not None
    assert found[1] == 4


def through(uplink: Uplink, seq: int, now: float) -> None:
    uplink.acknowledged(VitalsAck(stream="s", through=seq), now)


def test_window_narrows_while_acknowledgements_are_slow_and_grows_again() -> None:
    uplink = ready(("s", "numerics", 1, 1000))
    uplink.sent("s", 1, 1000, 0.0)
    through(uplink, 1, 0.6)
    assert uplink.next_stream(0.6) == ("s", 2, WINDOW_BYTES), "a satellite is no queue"
    uplink.sent("s", 2, 1000, 1.0)
    uplink.sent("s", 3, 1000, 1.0)
    through(uplink, 2, 3.2)
    assert uplink.next_stream(3.2) == ("s", 4, WINDOW_BYTES // 2 - 1000)
    through(uplink, 3, 3.4)
    assert uplink.next_stream(3.4) == ("s", 4, WINDOW_BYTES // 2), "sent into the wide one"
    for seq in range(4, 44):
        uplink.sent("s", seq, 1000, seq)
        through(uplink, seq, seq + 0.7)
    assert uplink.next_stream(50.0) == ("s", 44, WINDOW_BYTES)


def test_window_never_closes() -> None:
    uplink = ready(("s", "numerics", 1, 1000))
    uplink.sent("s", 1, 100, 0.0)
    through(uplink, 1, 0.1)
    for seq in range(2, 30):
        uplink.sent("s", seq, 100, seq * 10.0)
        through(uplink, seq, seq * 10.0 + 3.9)
    assert uplink.next_stream(400.0) == ("s", 30, WINDOW_MIN_BYTES)


def test_backlog_goes_no_faster_than_its_rate() -> None:
    uplink = ready(("s", "waves", 1, 100_000))
    sent, seq, now = 0, 0, 0.0
    while now < 10:
        while uplink.next_stream(now) is not None:
            seq += 1
            uplink.sent("s", seq, 1000, now)
            uplink.acknowledged(VitalsAck(stream="s", through=seq), now)
            sent += 1000
        now += 0.05
    assert sent <= BURST_BYTES + 10 * RATE_BPS / 8 + 1000


def test_silence_makes_it_ask_again_and_send_nothing_meanwhile() -> None:
    uplink = ready(("s", "numerics", 1, 3))
    uplink.sent("s", 1, 10, 0.0)
    assert uplink.next_timeout(0.0) == ACK_TIMEOUT_S
    uplink.handle_timeout(ACK_TIMEOUT_S)
    assert uplink.next_stream(ACK_TIMEOUT_S) is None
    assert uplink.question(ACK_TIMEOUT_S) == ("s",)
    uplink.answered([VitalsAck(stream="s", through=1)], 5.0)
    assert uplink.next_stream(5.0) == ("s", 2, WINDOW_BYTES)


def test_missing_batch_is_sent_again_at_once_but_not_for_every_mention() -> None:
    uplink = ready(("s", "numerics", 1, 10))
    for seq in range(1, 10):
        uplink.sent("s", seq, 10, 0.0)
    for now in (2.0, 2.1):
        uplink.acknowledged(VitalsAck(stream="s", through=4, missing=True), now)
    assert uplink.next_stream(2.1) == ("s", 5, WINDOW_BYTES)
    uplink.sent("s", 5, 10, 2.1)
    uplink.acknowledged(VitalsAck(stream="s", through=4, missing=True), 2.2)
    found = uplink.next_stream(2.2)
    assert found is not None
    assert found[1] == 6


def test_hub_that_has_more_than_a_restored_file_has_all_of_it() -> None:
    uplink = Uplink(0.0)
    uplink.update("old", "numerics", 1, 3, 6)
    uplink.question(0.0)
    assert uplink.answered([VitalsAck(stream="old", through=50)], 0.0) == [("old", 5)]
    assert uplink.next_stream(0.0) is None


class Rig:
    """Box, hub and what is between them, in virtual time. The hub's database is a real one."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.store = VitalsStore("sqlite://")
        self.store.set_up()
        self.box: dict[str, list[int]] = {}
        self.made: dict[str, int] = {}
        self.deleted: dict[str, int] = {}
        self.start()

    def start(self) -> None:
        """The box's service begins: new streams, and no memory of what was on its way."""
        self.uplink = Uplink(self.now)
        self.up: list[VitalsBatch] = []
        self.down: list[VitalsAck] = []
        n = len(self.box) // 2
        self.own = {"numerics": f"n{n}", "waves": f"w{n}"}
        for stream in self.own.values():
            self.box[stream], self.made[stream], self.deleted[stream] = [], 0, 0

    def produce(self) -> None:
        for stream in self.own.values():
            self.made[stream] += 1
            self.box[stream].append(self.made[stream])

    def forget(self, stream: str, through: int) -> None:
        self.deleted[stream] = max(self.deleted[stream], through)
        self.box[stream] = [seq for seq in self.box[stream] if seq > through]

    def step(self, loss: float) -> None:
        self.now += 0.1
        for stream, kept in self.box.items():
            kind = "numerics" if stream.startswith("n") else "waves"
            first = self.made[stream] + 1 - len(kept)
            self.uplink.update(stream, kind, int(stream[1:]), first, self.made[stream] + 1)
        asked = self.uplink.question(self.now)
        if asked and self.random.random() >= loss:
            keys = [StreamKey(BOX, stream) for stream in asked]
            places = [
                VitalsAck(stream=key.stream, through=place.through)
                for key, place in self.store.place(keys).items()
            ]
            if self.random.random() >= loss:
                for stream, through in self.uplink.answered(places, self.now):
                    self.forget(stream, through)
        while (found := self.uplink.next_stream(self.now)) is not None:
            stream, seq, _ = found
            first = self.made[stream] + 1 - len(self.box[stream])
            assert seq in self.box[stream], "it sends what it has"
            self.up.append(batch(stream, seq, first, "waves" if stream[0] == "w" else "numerics"))
            self.uplink.sent(stream, seq, 500, self.now)
        arrived, self.up = self.up, []
        arrived = [one for one in arrived if self.random.random() >= loss]
        if arrived and self.random.random() < 0.2:
            arrived += arrived[-2:]
        places_now = self.store.add([(BOX, one) for one in arrived], self.now)
        for key, place in places_now.items():
            if self.random.random() >= loss:
                ack = VitalsAck(stream=key.stream, through=place.through, missing=place.missing)
                if through := self.uplink.acknowledged(ack, self.now):
                    self.forget(key.stream, through)
        self.uplink.handle_timeout(self.now)


@pytest.mark.parametrize("seed", range(6))
def test_everything_arrives_once_and_in_order_whatever_happens(seed: int) -> None:
    rig = Rig(seed)
    # Without loss for longer at the end than there is ever between two questions.
    for n in range(450):
        if n < 300:
            rig.produce()
        if n < 300 and rig.random.random() < 0.01:
            rig.start()
        if n < 300 and rig.random.random() < 0.02:
            rig.uplink.disconnected(rig.now)
            rig.up.clear()
        rig.step(loss=(0.0, 0.3, 1.0)[n // 50 % 3] if n < 300 else 0.0)
    for stream, made in rig.made.items():
        stored = [row for row in rig.store.read(0, 10**6) if row.stream == stream]
        assert [row.seq for row in stored] == list(range(1, made + 1)), f"seed {seed}"
        assert [row.content for row in stored] == [b"%d" % row.seq for row in stored]
        assert rig.box[stream] == []
    for kind in ("numerics", "waves"):
        in_turn = [
            int(row.stream[1:]) for row in rig.store.read(0, 10**6) if row.stream[0] == kind[0]
        ]
        assert in_turn == sorted(in_turn), f"seed {seed}: {kind} of an older start come first"
    assert rig.store.list_gaps(BOX) == []
    rig.store._engine.dispose()


def test_hub_notes_what_a_box_no_longer_has() -> None:
    store = VitalsStore("sqlite://")
    store.set_up()
    key = StreamKey(BOX, "s")
    assert store.add([(BOX, batch("s", 1)), (BOX, batch("s", 2))], 0.0)[key].through == 2
    early = store.add([(BOX, batch("s", 9, first=6))], 0.0)[key]
    assert (early.through, early.missing) == (2, True)
    assert store.add([(BOX, batch("s", 6, first=6))], 0.0)[key].through == 6
    assert store.list_gaps(BOX) == [("s", 3, 5)]
    assert store.add([(BOX, batch("s", 4, first=1))], 0.0)[key].through == 6
    assert [row.seq for row in store.read(0, 100)] == [1, 2, 6]
    store._engine.dispose()


def test_boxes_do_not_meet_in_the_hubs_store() -> None:
    store = VitalsStore("sqlite://")
    store.set_up()
    store.add([("a", batch("s", 1)), ("b", batch("s", 1)), ("b", batch("s", 2))], 0.0)
    assert store.place([StreamKey("a", "s"), StreamKey("b", "s"), StreamKey("c", "s")]) == {
        StreamKey("a", "s"): store.place([StreamKey("a", "s")])[StreamKey("a", "s")],
        StreamKey("b", "s"): store.place([StreamKey("b", "s")])[StreamKey("b", "s")],
        StreamKey("c", "s"): store.place([StreamKey("c", "s")])[StreamKey("c", "s")],
    }
    assert store.place([StreamKey("a", "s")])[StreamKey("a", "s")].through == 1
    assert store.place([StreamKey("c", "s")])[StreamKey("c", "s")].through == 0
    store._engine.dispose()


def test_old_vitals_are_deleted_and_their_place_is_kept() -> None:
    store = VitalsStore("sqlite://")
    store.set_up()
    store.add([(BOX, batch("s", 1))], 10.0)
    store.add([(BOX, batch("s", 2))], 20.0)
    assert store.forget(15.0) == 1
    assert [row.seq for row in store.read(0, 10)] == [2]
    assert store.add([(BOX, batch("s", 1))], 30.0)[StreamKey(BOX, "s")].through == 2
    with store._engine.connect() as db:
        assert db.execute(select(func.count()).select_from(batches)).scalar_one() == 1
    store._engine.dispose()
