"""The technician's command line with real parts: broker, SSH, terminal, shell, recording."""

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from edgebox.messages.base import Done, Fault
from edgebox.messages.support import END_SUPPORT, EndSupport, Leave, Look
from edgebox.messages.support_shell import (
    END_SHELL,
    GRANT_SHELL,
    SHELL_DOWN,
    AskShell,
    EndShell,
    GrantShell,
    OpenShell,
    ShellBytes,
    ShellOpened,
)
from edgebox.sim.shell_socket import shell_socket
from edgebox.support import recording, shell_grant, shell_papers, shell_server
from edgebox.support.shell_papers import Papers, public_line
from tests.conftest import Broker
from tests.integration.shell_rig import Shell, allow, far_end, shell, until_gone
from tests.integration.small_disk import small_disk
from tests.integration.support_rig import OLA, Rig, rig

KEY = public_line(asyncssh.generate_private_key("ssh-ed25519"))
TUNNEL = "t" * 32


@pytest.fixture
async def box(broker: Broker, tmp_path: Path) -> AsyncIterator[Rig]:
    """A box with a command line to grant."""
    async with (
        shell_socket(tmp_path / "shell.sock"),
        rig(broker, tmp_path, terminal="shell.sock") as one,
    ):
        yield one


def casts(box: Rig) -> list[Path]:
    return sorted((box.audit.parent / "recordings").glob("*.cast"))


async def ended(box: Rig, why: str) -> str:
    """What the trail says of its end."""
    async with asyncio.timeout(5):
        while True:
            for entry in box.written():
                if entry.what == f"shell-ended: {why}":
                    return entry.detail
            await asyncio.sleep(0.02)


async def test_it_is_granted_used_recorded_and_proved(box: Rig) -> None:
    await allow(box)
    async with shell(box) as line:
        await box.until(command_line="open")
        assert 590 < box.session.command_line_left_s <= shell_grant.GRANTED_S
        await line.type("echo $((40+2)) $COLUMNS; tty\n")
        await line.until("42 100")
        await line.until("/dev/pts/")
        line.process.change_terminal_size(70, 20)
        await line.type("sleep 0.1; stty size; exit\n")
        await line.until("20 70")
        await line.ended()
    detail = await ended(box, "closed")
    await box.until(command_line="off", state="active")
    what = [entry.what for entry in box.written()]
    assert what[-6:] == [
        *("link-opened", "shell-ask", "shell-granted", "shell", "shell-opened"),
        "shell-ended: closed",
    ]
    assert {entry.who for entry in box.written()[-4:]} == {"Kari"}
    (cast,) = casts(box)
    content = cast.read_bytes()
    assert f"sha256 {hashlib.sha256(content).hexdigest()}" in detail
    assert cast.name in detail
    head, *events = [json.loads(line) for line in content.splitlines()]
    assert (head["version"], head["width"], head["height"]) == (2, 100, 30)
    typed = "".join(text for _, kind, text in events if kind == "i")
    shown = "".join(text for _, kind, text in events if kind == "o")
    assert "echo $((40+2))" in typed
    assert "42 100" in shown
    assert [event[2] for event in events if event[1] == "r"] == ["70x20"]
    ages = [age for age, _, _ in events]
    assert ages == sorted(ages)
    assert cast.stat().st_mode & 0o777 == 0o600


STARTS = (
    "echo sh=$$; (setsid nohup sleep 1000 >/dev/null & echo dae''mon=$!)\n",
    "(sleep 1001 & echo back''ground=$!; wait)\n",
)


async def started(line: Shell, *, foreground: bool = True) -> list[int]:
    """The shell itself, a daemon, and something in the foreground: their process ids."""
    names = ["sh", "daemon", "background"][: 3 if foreground else 2]
    for text in STARTS[: len(names) - 1]:
        await line.type(text)
    found = []
    for name in names:
        await line.until(f"{name}=")
        async with asyncio.timeout(5):
            while not (one := re.search(rf"\b{name}=(\d+)\s", line.seen)):
                line.seen += await line.process.stdout.read(4096)
        found.append(int(one[1]))
    return found


@pytest.mark.parametrize("how", ["shell", "session", "leave", "time", "gone"])
async def test_its_end_takes_along_all_that_was_started(
    box: Rig, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "time":
        monkeypatch.setattr(shell_grant, "GRANTED_S", 2.0)
    await allow(box)
    was = box.session.id
    async with shell(box) as line:
        pids = await started(line)
        if how == "shell":
            assert await box.crew.request(END_SHELL, EndShell()) == Done()
        elif how == "session":
            assert await box.crew.request(END_SUPPORT, EndSupport()) == Done()
        elif how == "leave":
            assert await box.order(Leave()) == Done()
        if how != "gone":
            await line.ended()
    for pid in pids:
        await until_gone(pid)
    over = how in {"session", "leave"}
    await box.until(state="off" if over else "active", command_line="off")
    assert "sha256" in await ended(box, "closed")
    answer = await box.order(OpenShell(tunnel=TUNNEL, key=KEY), session=was)
    assert answer == Fault(reason="refused", text="no-session" if over else "not-granted")


async def test_it_does_not_outlive_the_service(broker: Broker, tmp_path: Path) -> None:
    async with shell_socket(tmp_path / "shell.sock"):
        async with rig(broker, tmp_path, terminal="shell.sock") as box:
            await allow(box)
            async with shell(box) as line:
                pids = await started(line)
                await box.stop()
                await line.ended()
        for pid in pids:
            await until_gone(pid)
        assert "sha256" in await ended(box, "closed")


# Who does not get in ------------------------------------------------------------------------------


async def is_refused(box: Rig, why: str) -> bool:
    answer = await box.order(OpenShell(tunnel=TUNNEL, key=KEY))
    assert answer == Fault(reason="refused", text=why)
    return f"shell: {why}" in [one.detail for one in box.written() if one.what == "refused"]


async def test_without_a_grant_there_is_none(box: Rig, tmp_path: Path) -> None:
    await box.grant()
    assert await is_refused(box, "not-granted")
    wish = GrantShell(id=box.session.id)
    assert isinstance(await box.crew.request(GRANT_SHELL, wish), Fault), "nobody asked"
    await box.order(AskShell())
    assert await is_refused(box, "not-granted")
    other = GrantShell(id="another")
    assert isinstance(await box.crew.request(GRANT_SHELL, other), Fault)
    assert await box.crew.request(END_SHELL, EndShell()) == Done()
    await box.until(command_line="off")
    assert isinstance(await box.crew.request(GRANT_SHELL, wish), Fault), "turned away"
    assert not casts(box)


async def test_a_grant_is_of_one_technician_for_one_time(box: Rig) -> None:
    await allow(box)
    order = OpenShell(tunnel=TUNNEL, key=KEY)
    assert await box.order(order, serial=OLA) == Fault(reason="refused", text="other-technician")
    async with shell(box) as line:
        await line.until(":/")
        assert await is_refused(box, "shell-busy")
        await line.type("echo still''here\n")
        await line.until("stillhere")
    await ended(box, "closed")
    assert await is_refused(box, "not-granted")


async def test_a_wish_is_forgotten_and_a_grant_runs_out(
    box: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell_grant, "ASKED_S", 0.2)
    await box.grant()
    await box.order(AskShell())
    await box.until(command_line="asked")
    await box.until(command_line="off")
    monkeypatch.setattr(shell_grant, "ASKED_S", 60.0)
    monkeypatch.setattr(shell_grant, "GRANTED_S", 0.2)
    await box.order(AskShell())
    await box.until(command_line="asked")
    await box.crew.request(GRANT_SHELL, GrantShell(id=box.session.id))
    await box.until(command_line="granted")
    await box.until(command_line="off")
    assert await is_refused(box, "not-granted")


async def test_a_box_without_one_has_none(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        assert box.session.command_line == "none"
        assert await box.order(AskShell()) == Fault(reason="refused", text="no-shell")
        assert await is_refused(box, "no-shell")


async def test_an_expired_certificate_is_refused(box: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_papers, "CERTIFICATE_S", -2)
    await allow(box)
    async with far_end(box) as far:
        with pytest.raises(asyncssh.PermissionDenied):
            await far.connect(await far.open())
    await ended(box, "refused")
    await box.until(command_line="off")
    assert not casts(box)


async def test_a_replayed_certificate_is_refused(box: Rig) -> None:
    await allow(box)
    async with far_end(box) as far:
        used = await far.open()
        connection = await far.connect(used)
        connection.abort()
        await connection.wait_closed()
    await ended(box, "refused")
    await box.order(AskShell())
    await box.until(command_line="asked")
    await box.crew.request(GRANT_SHELL, GrantShell(id=box.session.id))
    async with far_end(box) as again:
        again.key = far.key
        fresh = await again.open()
        old = asyncssh.import_certificate(used.certificate)
        with pytest.raises(asyncssh.PermissionDenied):
            await again.connect(fresh, client_keys=[(far.key, old)])


@pytest.mark.parametrize("how", ["bare key", "own authority", "other name"])
async def test_other_papers_are_refused(box: Rig, how: str) -> None:
    await allow(box)
    async with far_end(box) as far:
        opened = await far.open()
        changed: dict[str, Any] = {"client_keys": [far.key]}
        if how == "own authority":
            forged = Papers(opened.user).certify(public_line(far.key))
            changed = {"client_keys": [(far.key, asyncssh.import_certificate(forged))]}
        elif how == "other name":
            changed = {"username": "root"}
        with pytest.raises(asyncssh.PermissionDenied):
            await far.connect(opened, **changed)
    await ended(box, "refused")


async def test_nobody_else_is_taken_for_the_box(box: Rig) -> None:
    await allow(box)
    async with far_end(box) as far:
        opened = await far.open()
        stranger = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            await far.connect(opened, known_hosts=([stranger], [], []))
    await ended(box, "refused")


async def test_nobody_comes(box: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_server, "LOGIN_S", 0.3)
    await allow(box)
    assert isinstance(await box.order(OpenShell(tunnel=TUNNEL, key=KEY)), ShellOpened)
    await ended(box, "refused")
    await box.until(command_line="off", state="active")


async def test_there_is_nothing_but_one_terminal(box: Rig) -> None:
    """No command, no files, no port of the box: what is not recorded is not there."""
    await allow(box)
    async with far_end(box) as far:
        connection = await far.connect(await far.open())
        async with connection:
            done = await connection.run("id", timeout=5)
            assert (done.exit_status, done.stdout) == (1, "")
            with pytest.raises(asyncssh.Error):
                await connection.start_sftp_client()
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 22)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.start_unix_server(lambda: None, str(box.audit.parent / "x"))
            assert not casts(box)


# What fails closed --------------------------------------------------------------------------------


async def test_a_recording_that_was_removed_ends_it(box: Rig) -> None:
    await allow(box)
    async with shell(box) as line:
        pids = await started(line)
        casts(box)[0].unlink()
        await line.type("echo un''seen\n")
        await line.ended()
        assert "unseen" not in line.seen
    for pid in pids:
        await until_gone(pid)
    assert "removed" in await ended(box, "recording")
    await box.until(command_line="off", state="active")


async def test_a_full_disk_ends_it(box: Rig, tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        (tmp_path / "recordings").symlink_to(disk)
        await allow(box)
        async with shell(box) as line:
            # An interrupt may come before what it shall end has begun.
            pids = await started(line, foreground=False)
            with contextlib.suppress(OSError), (disk / "flood").open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            # The recording's last page has room left; then there is none.
            await line.type("seq 100000\n")
            await line.ended()
        for pid in pids:
            await until_gone(pid)
        assert "space" in await ended(box, "recording")


async def test_it_ends_when_the_recording_is_long_enough(
    box: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "BYTES_MAX", 4000)
    await allow(box)
    async with shell(box) as line:
        await line.type("seq 10000\n")
        await line.ended()
    assert "longer" in await ended(box, "recording")
    assert casts(box)[0].stat().st_size <= 4000


async def test_without_a_place_to_record_nothing_opens(box: Rig) -> None:
    (box.audit.parent / "recordings").touch()
    await allow(box)
    async with shell(box) as line:
        await line.ended()
        assert line.seen == ""
    assert "recordings" in await ended(box, "recording")


async def test_without_a_trail_nothing_opens(box: Rig) -> None:
    await allow(box)
    async with far_end(box) as far:
        connection = await far.connect(await far.open())
        box.audit.unlink()
        box.audit.mkdir()
        process = await connection.create_process(term_type="xterm", encoding="utf-8")
        assert await process.stdout.read() == ""
        connection.abort()
        await connection.wait_closed()
    await box.until(command_line="off")


async def test_without_a_terminal_there_is_an_end(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path, terminal="nowhere.sock") as box:
        await allow(box)
        async with shell(box) as line:
            await line.ended()
        assert "nowhere.sock" in await ended(box, "no-terminal")


async def test_a_lost_piece_ends_it(box: Rig) -> None:
    await allow(box)
    async with shell(box) as line:
        await line.until(":/")
        await box.hub.publish(SHELL_DOWN, ShellBytes(n=9999, data=b"x"), tunnel=line.far.id)
        await line.ended()
    await ended(box, "closed")


async def test_what_was_changed_on_its_way_ends_it(box: Rig) -> None:
    """A broker in between cannot type: SSH notices."""
    await allow(box)
    async with shell(box) as line:
        await line.until(":/")
        forged = ShellBytes(n=line.far.sent, data=b"echo forged\n" * 8)
        await box.hub.publish(SHELL_DOWN, forged, tunnel=line.far.id)
        await line.ended()
        assert "forged" not in line.seen
    await ended(box, "closed")


async def test_the_session_goes_on_beside_it(box: Rig) -> None:
    await allow(box)
    async with shell(box) as line:
        await line.until(":/")
        await line.type("seq 100000\n")
        assert not isinstance(await box.order(Look()), Fault)
