"""What remote help does to the pictures, with data channels of our own making."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.config.media import Camera
from edgebox.media.channel import STILL_WAITING_BYTES, Channel
from edgebox.media.conduct import ALLOWANCES
from edgebox.media.cut import WHOLE
from edgebox.media.data_messages import CHUNK_BYTES, LABEL, POINTING_LABEL, Point
from edgebox.media.encoder import Encoder, Still
from edgebox.media.guidance import Guidance, Shown, Surroundings
from edgebox.media.jpeg import cleaned
from edgebox.messages.base import Role
from edgebox.messages.marks import PART_BYTES, Note, PicturePart, Pointing, Stroke, Wipe
from edgebox.messages.session import Admitted
from tests.unit.media.test_jpeg import made

CAMERAS = ("patient", "outside")


class Wire:
    """A data channel without a page at its other end."""

    def __init__(self, label: str = LABEL):
        self.label = label
        self.readyState = "open"
        self.bufferedAmount = 0
        self.sent: list[Any] = []
        self.chunks: list[bytes] = []
        self.receive: Callable[[Any], None] = lambda data: None

    def send(self, data: bytes | str) -> None:
        if isinstance(data, bytes):
            self.chunks.append(data)
        else:
            self.sent.append(json.loads(data))

    def on(self, event: str, handler: Callable[[Any], None]) -> None:
        assert event == "message"
        self.receive = handler

    def says(self, kind: str, **fields: Any) -> None:
        self.receive(json.dumps({"type": kind, **fields}))

    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


class SlowWire(Wire):
    """What is sent waits until it is drained."""

    def send(self, data: bytes | str) -> None:
        super().send(data)
        self.bufferedAmount += len(data)

    def drain(self) -> None:
        self.bufferedAmount = 0


@dataclasses.dataclass
class Person:
    channel: Channel
    wire: Wire
    cut: list[str]


class Stage:
    """A box with two cameras, one of which can turn."""

    def __init__(self) -> None:
        self.encoders = {
            name: Encoder(Camera(id=name, name=name, kind="pattern"), "", "off", lambda: None)
            for name in CAMERAS
        }
        self.hidden = False
        self.focused: list[tuple[str, str]] = []
        self.shown: list[Shown] = []
        self.moves: list[tuple[float, float, float]] = []
        self.stills = 0
        self.rate_bps = 8_000_000
        self.guidance = Guidance(
            self.encoders,
            {"outside": self},
            self,
            Surroundings(
                hidden=lambda: self.hidden,
                focus=self.focus,
                show=self.shown.append,
                part_changed=lambda: None,
            ),
        )

    def focus(self, camera: str, name: str) -> bool:
        self.focused.append((camera, name))
        return True

    def move(self, pan: float, tilt: float, zoom: float) -> bool:
        self.moves.append((pan, tilt, zoom))
        return True

    def begin_still(self) -> None:
        self.stills += 1

    def end_still(self) -> None:
        self.stills -= 1

    def still_bps(self) -> int:
        return self.rate_bps

    def join(self, name: str, role: Role = "doctor", cameras: tuple[str, ...] = CAMERAS) -> Person:
        cut: list[str] = []
        guest = Admitted(participant=name, role=role, name=name.title())
        channel = self.guidance.join(guest, lambda: cameras, lambda: cut.append(name))
        wire = Wire()
        assert channel.open(wire)
        self.guidance.greet(channel)
        return Person(channel, wire, cut)


def test_a_newcomer_sees_what_everybody_sees() -> None:
    stage = Stage()
    kari = stage.join("kari")
    kari.wire.says("Zoom", camera="patient", x=0.9, y=0.2, size=0.5)
    for _ in range(3):
        kari.wire.says("Draw", camera="patient", stroke=1, points=[[0.1, 0.2]] * 150)
    ola = stage.join("ola", "observer")
    views = {m["camera"]: m for m in ola.wire.sent if m["type"] == "View"}
    assert (views["patient"]["x"], views["patient"]["size"]) == (0.5, 0.5), "moved inside"
    assert [views[camera]["movable"] for camera in CAMERAS] == [False, True]
    drawn = [m for m in ola.wire.sent if m["type"] == "Drawn"]
    assert [len(m["points"]) for m in drawn] == [200, 200, 50]
    assert stage.encoders["patient"].part == (0.5, 0.2, 0.5)
    pilot = stage.join("pia", "pilot", ("outside",))
    assert [(m["type"], m["camera"]) for m in pilot.wire.sent] == [("View", "outside")]


async def test_a_newcomer_gets_every_line_however_slow_their_connection_takes_it() -> None:
    stage = Stage()
    kari = stage.join("kari")
    line = [[number / 200, 0.123456789012345] for number in range(200)]
    for stroke in range(100):
        for kind in ALLOWANCES:
            kari.channel._conduct._left.pop(kind, None)
        kari.wire.says("Draw", camera="patient", stroke=stroke, points=line)
    assert "Denied" not in kari.wire.types()
    guest = Admitted(participant="ola", role="doctor", name="Ola")
    channel = stage.guidance.join(guest, lambda: CAMERAS, lambda: None)
    wire = SlowWire()
    assert channel.open(wire)
    stage.guidance.greet(channel)
    assert wire.bufferedAmount < 64 * 1024
    kari.channel._conduct._left.clear()
    kari.wire.says("Draw", camera="patient", stroke=99, points=[[1, 1]])
    async with asyncio.timeout(10):
        while sum(len(m["points"]) for m in wire.sent if m["type"] == "Drawn") < 20_000:
            wire.drain()
            await asyncio.sleep(0)
    last = [m for m in wire.sent if m["type"] == "Drawn"][-1]
    assert (last["stroke"], last["points"]) == (99, line), "in the order in which it was drawn"
    channel.close()


async def test_lines_that_are_wiped_meanwhile_are_not_sent_to_a_newcomer() -> None:
    stage = Stage()
    kari = stage.join("kari")
    for stroke in range(2):
        kari.wire.says("Draw", camera="patient", stroke=stroke, points=[[0, 0]])
    guest = Admitted(participant="ola", role="doctor", name="Ola")
    channel = stage.guidance.join(guest, lambda: CAMERAS, lambda: None)
    wire = SlowWire()
    wire.bufferedAmount = 100_000
    assert channel.open(wire)
    stage.guidance.greet(channel)
    kari.wire.says("Erase", camera="patient")
    kari.wire.says("Draw", camera="patient", stroke=2, points=[[1, 1]])
    wire.drain()
    async with asyncio.timeout(5):
        while "Drawn" not in wire.types():
            await asyncio.sleep(0.01)
    assert [m["type"] for m in wire.sent if m["type"] != "View"] == ["Erased", "Drawn"]
    channel.close()


def test_pointers_and_lines_reach_the_panel_and_the_others_who_see_the_picture() -> None:
    stage = Stage()
    kari, ola = stage.join("kari"), stage.join("ola", "observer")
    pilot = stage.join("pia", "pilot", ("outside",))
    fast = Wire(POINTING_LABEL)
    assert ola.channel.open(fast)
    kari.wire.says("Point", camera="patient", on=True, x=0.25, y=0.75)
    kari.wire.says("Draw", camera="patient", stroke=4, points=[[0, 0], [1, 1]])
    kari.wire.says("Erase", camera="patient")
    assert [type(one) for one in stage.shown] == [Pointing, Stroke, Wipe]
    pointing = stage.shown[0]
    assert isinstance(pointing, Pointing)
    assert (pointing.name, pointing.participant, pointing.x) == ("Kari", "kari", 0.25)
    assert fast.sent == [
        {"type": "Pointed", "name": "Kari", "participant": "kari", "camera": "patient",
         "on": True, "x": 0.25, "y": 0.75}
    ]  # fmt: skip
    assert ola.wire.types()[2:] == ["Drawn", "Erased"]
    assert kari.wire.types()[2:] == ["Drawn", "Erased"], "oneself included, but for the pointer"
    assert pilot.wire.types() == ["View"]


def test_what_is_written_reaches_who_wears_the_camera_and_no_other_camera() -> None:
    stage = Stage()
    worn = Camera(id="headset-1", name="Hodekamera", kind="headset")
    stage.encoders[worn.id] = Encoder(worn, "", "off", lambda: None)
    kari = stage.join("kari", cameras=(*CAMERAS, worn.id))
    kari.wire.says("Write", camera="patient", text="Hei")
    assert stage.shown == []
    assert kari.wire.sent[-1] == {
        "type": "Denied",
        "what": "Write",
        "reason": "not-found",
        "id": 0,
    }
    kari.wire.says("Write", camera="headset-1", text="Litt til venstre")
    note = Note(participant="kari", name="Kari", camera="headset-1", text="Litt til venstre")
    assert stage.shown == [note]
    for text in ("", "x" * 121, "a\nb", "a\x00"):
        kari.wire.says("Write", camera="headset-1", text=text)
    assert stage.shown == [note]
    ola = stage.join("ola", "observer", cameras=(worn.id,))
    ola.wire.says("Write", camera="headset-1", text="Hei")
    assert stage.shown == [note]


def test_a_picture_reaches_who_wears_the_camera_in_parts() -> None:
    stage = Stage()
    worn = Camera(id="headset-1", name="Hodekamera", kind="headset")
    stage.encoders[worn.id] = Encoder(worn, "", "off", lambda: None)
    kari = stage.join("kari", cameras=(*CAMERAS, worn.id))
    picture = made(320, 240)
    assert len(picture) > 2 * PART_BYTES

    def show(camera: str) -> None:
        kari.wire.says("Show", camera=camera, bytes=len(picture))
        for start in range(0, len(picture), 16_384):
            kari.wire.receive(picture[start : start + 16_384])

    show("headset-1")
    parts = [one for one in stage.shown if isinstance(one, PicturePart)]
    assert [(one.part, one.parts) for one in parts] == [(n, len(parts)) for n in range(len(parts))]
    assert {(one.name, one.camera, one.picture) for one in parts} == {("Kari", "headset-1", 1)}
    assert b"".join(one.data for one in parts) == cleaned(picture)
    stage.shown.clear()
    show("patient")
    assert kari.wire.sent[-1] == {"type": "Denied", "what": "Show", "reason": "not-found", "id": 0}
    show("headset-1")
    denied = [one["reason"] for one in kari.wire.sent if one["type"] == "Denied"]
    assert denied == ["not-found", "busy"], "one each five seconds"
    assert stage.shown == []
    assert kari.cut == [], "its pieces are no flood"


def test_what_is_no_picture_reaches_nobody_and_is_counted() -> None:
    stage = Stage()
    worn = Camera(id="headset-1", name="Hodekamera", kind="headset")
    stage.encoders[worn.id] = Encoder(worn, "", "off", lambda: None)
    kari = stage.join("kari", cameras=(worn.id,))
    kari.wire.says("Show", camera=worn.id, bytes=5000)
    kari.wire.receive(b"<script>" * 625)
    for _ in range(10):
        kari.wire.receive(made(64, 48))
    assert stage.shown == []
    assert kari.cut
    ola = stage.join("ola", "observer", cameras=(worn.id,))
    ola.wire.says("Show", camera=worn.id, bytes=5000)
    assert ola.wire.sent[-1]["reason"] == "not-allowed"


def test_a_pointer_goes_with_the_person() -> None:
    stage = Stage()
    kari = stage.join("kari")
    kari.wire.says("Point", camera="patient", on=True, x=0.5, y=0.5)
    stage.guidance.leave(kari.channel)
    last = stage.shown[-1]
    assert isinstance(last, Pointing)
    assert not last.on
    before = len(stage.shown)
    kari.wire.says("Point", camera="patient", on=True, x=0.5, y=0.5)
    assert len(stage.shown) == before, "nothing is heard any more"


def test_focus_and_movement_and_what_is_not_there() -> None:
    stage = Stage()
    kari = stage.join("kari")
    kari.wire.says("Focus", camera="outside")
    assert stage.focused == [("outside", "Kari")]
    kari.wire.says("Move", camera="outside", pan=-1.0, tilt=0.5)
    assert stage.moves == [(-1.0, 0.5, 0.0)]
    kari.wire.says("Move", camera="patient", pan=1.0)
    kari.wire.says("Focus", camera="nope")
    denied = [m for m in kari.wire.sent if m["type"] == "Denied"]
    assert [(m["what"], m["reason"]) for m in denied] == [
        ("Move", "not-found"),
        ("Focus", "not-found"),
    ]


def test_another_main_picture_or_the_end_of_the_session_wipes() -> None:
    stage = Stage()
    kari = stage.join("kari")
    kari.wire.says("Draw", camera="patient", stroke=1, points=[[0, 0]])
    kari.wire.says("Zoom", camera="patient", x=0.1, y=0.1, size=0.2)
    stage.guidance.wipe()
    assert kari.wire.types()[-1] == "Erased"
    assert stage.encoders["patient"].part != WHOLE
    stage.guidance.reset()
    assert stage.encoders["patient"].part == WHOLE


OBSERVER_TRIES: list[tuple[str, dict[str, Any]]] = [
    ("Focus", {}), ("Point", {"on": True}), ("Draw", {"stroke": 1, "points": []}), ("Erase", {}),
    ("TakeStill", {"id": 3}), ("Zoom", {"x": 0, "y": 0, "size": 0.5}), ("Move", {"pan": 1}),
]  # fmt: skip


@pytest.mark.parametrize("role", ["observer", "pilot", "interpreter", "bystander", "technician"])
def test_who_may_not_is_denied_and_nothing_happens(role: Role) -> None:
    stage = Stage()
    one = stage.join("ola", role)
    for kind, fields in OBSERVER_TRIES:
        one.wire.says(kind, camera="outside", **fields)
    denied = [m for m in one.wire.sent if m["type"] == "Denied"]
    assert [m["what"] for m in denied] == [kind for kind, _ in OBSERVER_TRIES]
    assert {m["reason"] for m in denied} == {"not-allowed"}
    assert denied[4]["id"] == 3
    assert (stage.shown, stage.focused, stage.moves) == ([], [], [])
    assert stage.encoders["outside"].part == WHOLE
    assert not one.channel.sends_still


def test_who_floods_is_cut_off_and_the_others_are_not() -> None:
    stage = Stage()
    kari, ola = stage.join("kari"), stage.join("ola")
    started_at = time.monotonic()
    for _ in range(400):
        kari.wire.says("Point", camera="patient", on=True)
    per_s, burst = ALLOWANCES[Point]
    allowed = burst + (time.monotonic() - started_at) * per_s
    assert kari.cut
    assert not ola.cut
    assert len([one for one in stage.shown if isinstance(one, Pointing)]) <= allowed
    again = stage.join("kari")
    again.wire.says("Erase", camera="patient")
    assert again.cut, "a new connection is no new allowance"


@given(st.lists(st.one_of(st.text(), st.binary()), max_size=30))
def test_any_data_is_a_message_or_counted(data: list[str | bytes]) -> None:
    stage = Stage()
    kari = stage.join("kari")
    for one in data:
        kari.wire.receive(one)
    assert bool(kari.cut) == (len(data) > 10)


def test_other_channels_and_second_ones_are_ignored() -> None:
    stage = Stage()
    kari = stage.join("kari")
    for label in ("chat", LABEL):
        wire = Wire(label)
        assert not kari.channel.open(wire)
        wire.says("Focus", camera="outside")
    assert not stage.focused


async def test_a_still_goes_out_in_pieces_at_its_rate_and_holds_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    kari = stage.join("kari")
    jpeg = bytes(range(256)) * 200
    stage.rate_bps = len(jpeg) * 8 * 4

    async def take(self: Encoder) -> Still:
        return Still(jpeg, 12.0, 1920, 1080)

    monkeypatch.setattr(Encoder, "take_still", take)
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    kari.wire.says("TakeStill", id=9, camera="patient")
    kari.wire.says("TakeStill", id=10, camera="patient")
    assert kari.wire.sent[-1] == {
        "type": "Denied", "what": "TakeStill", "reason": "busy", "id": 10
    }  # fmt: skip
    while sum(map(len, kari.wire.chunks)) < len(jpeg):
        await asyncio.sleep(0.01)
    assert loop.time() - started_at > 0.15, "about a quarter of a second at this rate"
    start = next(m for m in kari.wire.sent if m["type"] == "StillStart")
    assert (start["id"], start["bytes"], start["width"]) == (9, len(jpeg), 1920)
    assert b"".join(kari.wire.chunks) == jpeg
    assert max(map(len, kari.wire.chunks)) == CHUNK_BYTES
    await asyncio.sleep(0.05)
    assert stage.stills == 0
    kari.wire.bufferedAmount = STILL_WAITING_BYTES + 1
    count = len(kari.wire.chunks)
    kari.wire.says("TakeStill", id=11, camera="patient")
    await asyncio.sleep(0.1)
    assert len(kari.wire.chunks) == count
    stage.hidden = True
    stage.guidance.keep_only(())
    await asyncio.sleep(0.05)
    kari.wire.bufferedAmount = 0
    assert kari.wire.sent[-1]["reason"] == "failed"
    assert stage.stills == 0
    assert len(kari.wire.chunks) == count


async def test_a_still_of_a_camera_that_is_not_sent_any_more_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    kari = stage.join("kari")
    stage.rate_bps = 80_000
    taken = asyncio.Event()

    async def take(self: Encoder) -> Still:
        await taken.wait()
        return Still(bytes(100_000), 12.0, 1920, 1080)

    monkeypatch.setattr(Encoder, "take_still", take)
    taken.set()
    kari.wire.says("TakeStill", id=1, camera="patient")
    while not kari.wire.chunks:
        await asyncio.sleep(0.01)
    stage.guidance.keep_only(("patient",))
    await asyncio.sleep(0.05)
    assert kari.channel.sends_still
    stage.guidance.keep_only(("outside",))
    await asyncio.sleep(0)
    count = len(kari.wire.chunks)
    await asyncio.sleep(0.2)
    assert len(kari.wire.chunks) == count
    assert kari.wire.sent[-1]["reason"] == "failed"
    assert stage.stills == 0


def test_who_opens_channels_without_end_is_cut_off() -> None:
    stage = Stage()
    kari = stage.join("kari")
    for number in range(12):
        assert not kari.channel.open(Wire(f"chat {number}"))
    assert kari.cut
