"""From `edgebox update publish` to a confirmed system, by a real broker, HTTP and signatures: staff
choose, boxes fetch, install, restart, prove themselves; and everything that keeps them from it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.bond import Bond, Link
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.config.hub import Hub
from edgebox.config.update import Update
from edgebox.config.vehicle import Gpsd
from edgebox.host.service import Service
from edgebox.hub import update_files, update_serve
from edgebox.hub.update_board import UpdateBoard
from edgebox.hub.update_serve import Signer
from edgebox.hub.update_store import UpdateStore
from edgebox.messages.bond import BOND_STATUS, BondCounters, BondStatus, LinkStatus
from edgebox.messages.selftest import (
    RUN_SELF_TEST,
    SELF_TEST,
    Finding,
    RunSelfTest,
    SelfTest,
    SelfTestBegun,
)
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.messages.update import UPDATE_STATUS, UpdateStatus
from edgebox.sim.ports import free_port
from edgebox.update import crew, plan, service
from edgebox.update.service import Updates
from tests.conftest import Broker
from tests.integration.update_rig import COMPATIBLE, Bench

WAIT_S = 20.0
LINK = LinkStatus(
    name="lo", label="", state="up", since_utc=0.0, rtt_ms=20.0, queue_ms=0.0, loss=0.0,
    capacity_bps=1_000_000, sent_bps=0, received_bps=0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes are moments."""
    for module, name in (
        (plan, "INSTALL_FREE_S"),
        (plan, "RESTART_FREE_S"),
        (plan, "BOND_BEFORE_S"),
        (plan, "BOND_AFTER_S"),
        (plan, "PROVE_S"),
        (plan, "BOOT_TEST_S"),
        (crew, "SETTLE_S"),
    ):
        monkeypatch.setattr(module, name, 0.05)
    monkeypatch.setattr(service, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(service, "HUB_AGAIN_S", 0.2)
    monkeypatch.setattr(service, "STATUS_EVERY_S", 0.2)
    monkeypatch.setattr("edgebox.hub.update_board.TICK_S", 0.05)
    monkeypatch.setattr("edgebox.hub.update_board.LOOK_EVERY_S", 0.1)


@dataclass
class Office:
    """The hub's part."""

    board: UpdateBoard
    config: Config
    bench: Bench

    async def release(self, version: str, **how: str) -> str:
        """Publish; the bundle's hash."""
        made = await update_files.publish(self.config, self.bench.bundle(version, **how))  # type: ignore[arg-type]
        await until(lambda: any(one.sha256 == made.sha256 for one in self.board.published))
        return made.sha256


@contextlib.asynccontextmanager
async def office(directory: Path, broker: Broker, bench: Bench) -> AsyncIterator[Office]:
    port = free_port()
    hub = Hub(
        update_directory="updates",
        update_keyring=str(bench.keyring),
        database=f"sqlite:///{directory}/hub.db",
        public_url=f"http://127.0.0.1:{port}",
    )
    config = Config(hub=hub, directory=str(directory))
    store, signer, app = UpdateStore(hub.database), Signer(hub.public_url), web.Application()
    update_serve.add_routes(app, signer, update_files.directory_of(config))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with Bus(broker.address, "hub") as bus:
            board = UpdateBoard(bus, store, update_files.directory_of(config), signer, 365)
            await board.start()
            work = asyncio.create_task(board.run())
            try:
                yield Office(board, config, bench)
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
    finally:
        await runner.cleanup()
        await store.close()


@dataclass
class SimBox:
    """A box whose bond, media and self-test are said by the test."""

    id: str
    directory: Path
    broker: Broker
    bench: Bench
    version: str = "1.0.0"
    boots: int = 1
    faults: tuple[str, ...] = ()
    live: bool = False
    said: list[UpdateStatus] = field(default_factory=list)

    @property
    def restart(self) -> Path:
        return self.directory / "restart"

    @property
    def now(self) -> tuple[str, str]:
        return (self.said[-1].state, self.said[-1].reason) if self.said else ("", "")

    @property
    def state(self) -> str:
        return self.now[0]

    @contextlib.asynccontextmanager
    async def on(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
        """Booted until the block ends."""
        self.directory.mkdir(exist_ok=True)
        self.restart.unlink(missing_ok=True)
        for name, text in (("boot_id", f"boot-{self.boots}"), ("uptime", "500.0 1.0")):
            (self.directory / name).write_text(text)
        monkeypatch.setattr(service, "BOOT_ID", self.directory / "boot_id")
        monkeypatch.setattr(service, "UPTIME", self.directory / "uptime")
        config = Config(
            box=Box(id=self.id),
            bus=BusConfig(address=self.broker.address),
            bond=Bond(link=(Link(name="lo", source="127.0.0.1"),)),
            gpsd=Gpsd(address=""),
            update=Update(directory=str(self.directory / "state")),
        )
        async with Service("update", config) as frame:
            updates = Updates(frame, self.bench.rauc, (self.version, COMPATIBLE), self.restart)
            await updates.listen()
            await frame.bus.subscribe(UPDATE_STATUS, self._hear)
            await frame.bus.serve(RUN_SELF_TEST, self._begin_test)
            await frame.bus.publish(BOX_INFO, BoxInfo(vehicle=f"Bil {self.id}"))
            tasks = [asyncio.create_task(one) for one in (updates.run(), self._speak(frame.bus))]
            try:
                yield
                for task in tasks:
                    assert not task.done() or task.exception() is None
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, status: UpdateStatus, keys: dict[str, str]) -> None:
        self.said.append(status)

    async def _begin_test(self, question: RunSelfTest, keys: dict[str, str]) -> SelfTestBegun:
        return SelfTestBegun(id="t")

    async def _speak(self, bus: Bus) -> None:
        while True:
            status = BondStatus(
                at_utc=time.time(), state="up", since_utc=0.0, links=(LINK,), capacity_bps=0,
                target_bps=0, rtt_ms=None, redundancy=0.0, counters=BondCounters(),
            )  # fmt: skip
            await bus.publish(BOND_STATUS, status)
            await bus.publish(
                MEDIA_SESSION,
                MediaSession(
                    id="s",
                    state="live" if self.live else "idle",
                    since_utc=0.0,
                    instance="i",
                    cameras=(),
                    sent=(),
                ),
            )
            found = tuple(
                Finding(check="camera", grade="fault", code=code, at_utc=0.0)
                for code in self.faults
            )
            test = SelfTest(
                id="t",
                state="done",
                reason="boot",
                started_utc=time.time(),
                finished_utc=time.time(),
                findings=found,
            )
            await bus.publish(SELF_TEST, test)
            await asyncio.sleep(0.1)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def to_restart(
    box: SimBox, here: Office, sha256: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the old system until it asks for its restart."""
    async with box.on(monkeypatch):
        await until(lambda: box.id in here.board.vehicles)
        assert await here.board.set_stage("Kari", sha256, 100, ())
        await until(box.restart.exists)


async def test_a_release_gets_to_a_box_and_stays(
    tmp_path: Path, broker: Broker, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, broker, bench) as here:
        box = SimBox("box-1", tmp_path / "b", broker, bench, faults=("camera.absent",))
        sha256 = await here.release(
            "1.1.0",
        )
        async with box.on(monkeypatch):
            await until(lambda: box.state == "current")
            assert here.board.figures(sha256)["waiting"] == 0, "it is for nobody yet"
        await to_restart(box, here, sha256, monkeypatch)
        states = [one.state for one in box.said]
        assert states.index("checking") < states.index("installing") < states.index("restarting")
        (tmp_path / "booted").touch()
        box.version, box.boots = "1.1.0", 2
        async with box.on(monkeypatch):
            await until(lambda: box.state == "good")
            await until(lambda: here.board.figures(sha256)["good"] == 1)
        assert bench.log == ["installing", "marked-good"]
        assert not list((tmp_path / "b/state").glob("*.raucb")), "its bundle is not kept"


async def test_a_mission_stops_a_download_and_keeps_everything_else_away(
    tmp_path: Path, broker: Broker, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, broker, bench) as here:
        box = SimBox("box-1", tmp_path / "b", broker, bench, live=True)
        sha256 = await here.release("1.1.0")
        async with box.on(monkeypatch):
            await until(lambda: box.id in here.board.vehicles)
            await here.board.set_stage("Kari", sha256, 0, ("box-1",))
            await until(lambda: box.now == ("waiting", "mission"))
            monkeypatch.setattr(plan, "INSTALL_FREE_S", 1e9)
            box.live = False
            await until(lambda: box.state == "ready")
            box.live = True
            await until(lambda: box.now == ("ready", "mission"))
            monkeypatch.setattr(plan, "INSTALL_FREE_S", 0.05)
            await asyncio.sleep(0.5)
            assert bench.log == []
            # It begins while it is installed: that ends, and the restart waits.
            (tmp_path / "install-s").write_text("0.5")
            box.live = False
            await until(lambda: bench.log == ["installing"])
            box.live = True
            await until(lambda: box.now == ("installed", "mission"))
            await asyncio.sleep(0.5)
            assert not box.restart.exists()
            box.live = False
            await until(box.restart.exists)


async def test_what_is_stopped_before_its_restart_is_never_started(
    tmp_path: Path, broker: Broker, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "RESTART_FREE_S", 1e9)
    async with office(tmp_path, broker, bench) as here:
        box = SimBox("box-1", tmp_path / "b", broker, bench)
        sha256 = await here.release("1.1.0")
        async with box.on(monkeypatch):
            await until(lambda: box.id in here.board.vehicles)
            await here.board.set_stage("Kari", sha256, 100, ())
            await until(lambda: box.state == "installed")
            await here.board.stop("Kari", sha256)
            await until(lambda: box.state == "current")
            monkeypatch.setattr(plan, "RESTART_FREE_S", 0.05)
            await until(lambda: "marked-active" in bench.log)
            assert not box.restart.exists()


async def test_a_new_fault_brings_the_old_system_back_and_stops_the_release(
    tmp_path: Path, broker: Broker, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "GIVE_UP_S", 0.0)
    async with office(tmp_path, broker, bench) as here:
        box = SimBox("box-1", tmp_path / "b", broker, bench)
        sha256 = await here.release("1.1.0")
        await to_restart(box, here, sha256, monkeypatch)
        (tmp_path / "booted").touch()
        box.version, box.boots, box.faults = "1.1.0", 2, ("camera.failed",)
        async with box.on(monkeypatch):
            await until(box.restart.exists)
        assert bench.log == ["installing", "marked-bad"]
        (tmp_path / "state").write_text("good")
        box.version, box.boots, box.faults = "1.0.0", 3, ()
        async with box.on(monkeypatch):
            await until(lambda: box.now == ("fell-back", "fault"))
            await until(lambda: here.board.rollouts[sha256].stopped == "boxes")
            await until(lambda: box.state == "current")
            assert here.board.figures(sha256)["fell-back"] == 1
            # The hub was started anew: it knows. Staff say so: once more.
            assert await here.board.go_on("Kari", sha256)
            box.faults = ()
            await until(lambda: bench.log.count("installing") == 2)


async def test_what_is_not_signed_or_cannot_be_installed_is_said(
    tmp_path: Path, broker: Broker, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, broker, bench) as here:
        # Somebody has taken the hub over: he publishes with his own key.
        taken = Hub(update_directory="updates", update_keyring=str(tmp_path / "other/cert.pem"))
        evil = await update_files.publish(
            replace(here.config, hub=taken), bench.bundle("9.0.0", signer="other")
        )
        await until(lambda: bool(here.board.published))
        box = SimBox("box-1", tmp_path / "b", broker, bench)
        async with box.on(monkeypatch):
            await until(lambda: box.id in here.board.vehicles)
            await here.board.set_stage("Kari", evil.sha256, 100, ())
            await until(lambda: box.now == ("refused", "signature"))
            await until(lambda: here.board.rollouts[evil.sha256].stopped == "boxes")
            (tmp_path / "broken").touch()
            sha256 = await here.release("1.1.0")
            await here.board.set_stage("Kari", sha256, 100, ())
            await until(lambda: box.state == "failed")
            assert here.board.figures(sha256)["failed"] == 1
        assert bench.log == ["installing"]


async def test_what_staff_said_outlives_the_hub(
    tmp_path: Path, broker: Broker, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, broker, bench) as here:
        sha256 = await here.release("1.1.0")
        box = SimBox("box-1", tmp_path / "b", broker, bench, live=True)
        async with box.on(monkeypatch):
            await until(lambda: box.id in here.board.vehicles)
            await here.board.set_stage("Kari Berg", sha256, 25, ("box-1", "no-such-box"))
    async with office(tmp_path, broker, bench) as here:
        rollout = here.board.rollouts[sha256]
        assert (rollout.share, rollout.first, rollout.stopped) == (25, ("box-1",), "")
        assert await here.board.stop("Kari Berg", sha256)
        latest = await here.board.latest()
        assert [(who, what) for _, who, _, what in latest] == [
            ("Kari Berg", "stopped"),
            ("Kari Berg", "stage 25 1"),
        ]
