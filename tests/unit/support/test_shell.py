"""The command line's pure parts: the grant, the frames, the recording, the tunnel's count."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.messages.support_shell import ShellBytes
from edgebox.support import recording
from edgebox.support.recording import Recording, RecordingError, make_room
from edgebox.support.shell_grant import ASKED_S, GRANTED_S, ShellGrant
from edgebox.support.terminal import Frames, frame
from edgebox.support.tunnel import WAITING_MAX, Tunnel


def test_a_grant_goes_from_asked_to_open_once() -> None:
    grant = ShellGrant(offered=True)
    assert grant.open(0.0) == "not-granted"
    assert grant.grant(0.0) == "not-granted"
    assert grant.ask(0.0) is None
    assert grant.open(1.0) == "not-granted"
    assert grant.grant(1.0) is None
    assert grant.ask(1.0) == "shell-busy"
    assert grant.open(2.0) is None
    assert (grant.state, grant.left_s(2.0)) == ("open", GRANTED_S - 1)
    assert grant.open(2.0) == "shell-busy"
    grant.end()
    assert grant.open(3.0) == "not-granted"


def test_time_ends_a_wish_and_a_grant() -> None:
    grant = ShellGrant(offered=True)
    grant.ask(0.0)
    assert grant.grant(ASKED_S) == "not-granted"
    grant.ask(200.0)
    grant.grant(201.0)
    assert not grant.handle_timeout(201.0 + GRANTED_S - 0.1)
    assert grant.open(201.0 + GRANTED_S) == "not-granted"
    assert grant.left_s(999.0) == 0.0


def test_a_box_without_one_offers_none() -> None:
    grant = ShellGrant(offered=False)
    assert grant.ask(0.0) == "no-shell"
    assert grant.open(0.0) == "no-shell"
    grant.end()
    assert grant.state == "none"


@given(st.lists(st.tuples(st.sampled_from([b"d", b"r", b"x"]), st.binary(max_size=300))), st.data())
def test_frames_are_whole_however_they_are_cut(
    sent: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(frame(kind, content) for kind, content in sent)
    frames, found = Frames(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += frames.take(stream[:size])
        stream = stream[size:]
    assert found == sent


@given(st.binary())
def test_any_bytes_are_frames_or_wait(data: bytes) -> None:
    for kind, content in Frames().take(data):
        assert len(kind) == 1
        assert len(content) <= 0xFFFF


def test_a_recording_is_json_lines_with_their_hash(tmp_path: Path) -> None:
    one = Recording(tmp_path, "a", 80, 24, 1_700_000_000.5)
    whole = "blåbær\x1b[31m".encode()
    one.shown(whole[:3])
    one.shown(whole[3:])
    one.typed(b"\xff\n")
    one.resized(100, 30)
    digest = one.close()
    content = one.path.read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    head, *events = [json.loads(line) for line in content.splitlines()]
    assert head == {"version": 2, "width": 80, "height": 24, "timestamp": 1_700_000_000}
    assert [kind for _, kind, _ in events] == ["o", "o", "i", "r"]
    assert "".join(text for _, kind, text in events if kind == "o") == "blåbær\x1b[31m"
    assert events[-2][2] == "\ufffd\n"


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    Recording(tmp_path, "a", 80, 24, 0.0).close()
    with pytest.raises(RecordingError, match="exists"):
        Recording(tmp_path, "a", 80, 24, 0.0)


def test_old_recordings_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "BYTES_MAX", 100)
    monkeypatch.setattr(recording, "ALL_BYTES_MAX", 300)
    for number in range(4):
        path = tmp_path / f"{number}.cast"
        path.write_bytes(bytes(90))
        os.utime(path, (number, number))
    make_room(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.cast", "3.cast"]


async def never(piece: ShellBytes) -> bool:
    return False


async def test_pieces_count_once_and_a_gap_ends_it() -> None:
    tunnel = Tunnel(never, lambda: 1.0)
    tunnel.outer.setblocking(False)
    for number in (0, 1, 1, 0):
        tunnel.receive(ShellBytes(n=number, data=b"%d" % number))
    assert tunnel._waiting.qsize() == 2
    assert not tunnel._broken.is_set()
    tunnel.receive(ShellBytes(n=3, data=b"x"))
    assert tunnel._broken.is_set()
    await tunnel.run()
    tunnel.outer.close()


async def test_a_peer_that_minds_no_window_is_cut_off() -> None:
    tunnel = Tunnel(never, lambda: 1.0)
    for number in range(WAITING_MAX + 1):
        tunnel.receive(ShellBytes(n=number, data=b"x"))
    assert tunnel._broken.is_set()
    await tunnel.run()
    tunnel.outer.close()
