"""The support desk over real TLS, with the box's own help desk at the other end of a broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh
import msgspec
import pytest
from cryptography import x509

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.host.daemons import TlsFiles
from edgebox.hub import desk as desk_module
from edgebox.hub import staff as staff_module
from edgebox.hub.desk import Desk, add_routes
from edgebox.hub.staff import Staff
from edgebox.messages.base import Done
from edgebox.messages.services import BOX_INFO, SERVICE_STATUS, BoxInfo, ServiceStatus
from edgebox.messages.support import END_SUPPORT, EndSupport
from edgebox.messages.support_shell import END_SHELL, GRANT_SHELL, EndShell, GrantShell
from edgebox.sim import pki
from edgebox.sim.ports import free_port
from edgebox.sim.shell_socket import shell_socket
from edgebox.support.audit import Trail, verify
from edgebox.support.shell_papers import public_line
from tests.conftest import Broker
from tests.integration.support_rig import BOX, Rig, rig, running
from tests.integration.test_hub_staff import Listener

KEY = public_line(asyncssh.generate_private_key("ssh-ed25519"))
SHELL = f"/desk/box/{BOX}/shell"


@dataclass
class Here:
    """Desk, box, and who can call."""

    box: Rig
    listener: Listener
    trail: Path

    def person(self, name: str, unit: str = "technician") -> TlsFiles:
        return pki.staff_credentials(self.listener.directory / "staff", name, name, unit)

    @contextlib.asynccontextmanager
    async def browser(self, name: str, unit: str = "technician") -> AsyncIterator["Browser"]:
        async with self.listener.client(self.person(name, unit)) as client:
            yield Browser(client, self.listener.url)

    def written(self) -> list[tuple[str, str]]:
        return [(entry.what, entry.who) for entry in verify(self.trail)]


@dataclass
class Browser:
    """A page's requests."""

    client: aiohttp.ClientSession
    origin: str

    async def post(self, path: str, body: Any) -> Any:
        headers = {"Origin": self.origin}
        async with self.client.post(path, json=body, headers=headers) as answer:
            return await answer.json() if answer.status == 200 else answer.status

    async def order(self, deed: dict[str, Any]) -> Any:
        return await self.post(f"/desk/box/{BOX}/order", {"deed": deed})

    @contextlib.asynccontextmanager
    async def shell(self, origin: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        headers = {"Origin": origin or self.origin}
        async with self.client.ws_connect(SHELL, headers=headers) as socket:
            yield socket

    async def get(self, path: str) -> tuple[int, str]:
        async with self.client.get(path) as answer:
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def here(broker: Broker, directory: Path, terminal: str = "") -> AsyncIterator[Here]:
    pki.hub_credentials(directory / "fleet", ("127.0.0.1",))
    pki.staff_credentials(directory / "staff", "kari", "kari", "technician")
    (directory / "revoked").touch()
    port = free_port()
    hub = Hub(
        staff_listen=f"127.0.0.1:{port}",
        staff_url=f"https://127.0.0.1:{port}",
        staff_ca="staff/ca.pem",
        staff_certificate="fleet/hub.pem",
        staff_private_key="fleet/hub.key",
        staff_revoked="revoked",
    )
    config = Config(hub=hub, directory=str(directory))
    staff = Staff(config)
    trail = directory / "hub-audit.jsonl"
    async with rig(broker, directory, terminal) as box, Bus(broker.address, "hub") as bus:
        desk = Desk(bus, hub, Trail(trail), staff.is_welcome, staff.is_revoked, b"secret")
        app = staff.application()
        add_routes(app, desk)
        await desk.start()
        await box.crew.publish(BOX_INFO, BoxInfo(vehicle="Ambulanse 7"))
        await box.crew.publish(SERVICE_STATUS, _support(), service="support")
        work = asyncio.create_task(desk.run())
        async with staff.serving(app):
            async with asyncio.timeout(5):
                while BOX not in desk.board.boxes or not desk.board.boxes[BOX].support:
                    await asyncio.sleep(0.01)
                while not (await box.ask()).url.startswith(hub.staff_url):
                    await asyncio.sleep(0.01)
            await box.crew.request(END_SUPPORT, EndSupport())
            yield Here(box, Listener(config, directory, staff), trail)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def _support() -> ServiceStatus:
    return msgspec.structs.replace(running("support"), service="support")


async def test_from_the_crews_link_to_the_end(broker: Broker, tmp_path: Path) -> None:
    async with here(broker, tmp_path) as at, at.browser("kari") as page:
        assert "Ambulanse 7" in (await page.get("/desk"))[1]
        link = await at.box.ask()
        path, _, token = link.url.removeprefix(at.listener.url).partition("#")
        for _ in range(2):  # a look, a preview: nothing is spent
            status, html = await page.get(path)
            assert (status, token in html) == (200, False)
        assert await page.post(path, {"token": token}) == {"type": "Done"}
        await at.box.until(state="active", technician="kari")
        async with asyncio.timeout(5):
            while (await page.order({"type": "look"}))["type"] != "outlook":
                await asyncio.sleep(0.02)
        assert (await page.get(f"/desk/box/{BOX}"))[0] == 200
        status, bundle = await page.get(f"/desk/box/{BOX}/bundle")
        assert (status, bundle) == (200, "bundle" * 50_000)
        assert await at.box.crew.request(END_SUPPORT, EndSupport()) == Done()
        answer = await page.order({"type": "look"})
        assert (answer["reason"], answer["text"]) == ("refused", "no-session")
        written = at.written()
        assert ("link", "kari") in written
        assert ("bundle", "kari") in written
        async with asyncio.timeout(5):
            while ("box: ended: crew", "kari") not in at.written():
                await asyncio.sleep(0.02)
        heads = {e.detail.split()[-1] for e in verify(at.trail) if e.what.startswith("box: ")}
        assert {entry.hash for entry in at.box.written()[-3:]} <= heads


async def test_a_used_link_and_a_stranger_in_anothers_session(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        here(broker, tmp_path) as at,
        at.browser("kari") as kari,
        at.browser("ola") as ola,
    ):
        link = await at.box.ask()
        path, _, token = link.url.removeprefix(at.listener.url).partition("#")
        assert await kari.post(path, {"token": token}) == {"type": "Done"}
        await at.box.until(state="active")
        assert (await ola.post(path, {"token": token}))["text"] == "used-link"
        assert (await ola.post(path, {"token": "x" * 32}))["reason"] == "refused"
        link_test = {"type": "link-test", "link": "lte-1"}
        for deed in ({"type": "look"}, {"type": "restart", "service": "panel"}, link_test):
            assert (await ola.order(deed))["text"] == "no-session"
        assert (await ola.get(f"/desk/box/{BOX}/bundle"))[0] == 409


async def test_what_is_no_deed_is_refused_before_it_is_sent(broker: Broker, tmp_path: Path) -> None:
    async with here(broker, tmp_path) as at, at.browser("kari") as page:
        bodies: tuple[Any, ...] = (
            {"deed": {"type": "shell"}},
            {"deed": {"type": "shell", "tunnel": "t" * 32, "key": KEY}},
            {"deed": {"type": "restart", "service": "x; reboot"}},
            {"deed": {"type": "link-test"}},
            {"deed": {"type": "link-test", "link": "x" * 41}},
            {"deed": {"type": "try-link", "link": "lte-1", "speed": True}},
            {"deed": {"type": "look"}, "session": "s1"},
            {"deed": {"type": "look"}, "serial": "AA"},
            [],
        )
        for body in bodies:
            assert await page.post(f"/desk/box/{BOX}/order", body) == 400
        assert await page.post("/desk/join/nowhere", {"token": "x" * 32}) == 404
        assert await page.post(f"/desk/join/{BOX}", {"token": "short"}) == 400


async def test_fleet_staff_read_the_trail_and_nothing_of_the_desk(
    broker: Broker, tmp_path: Path
) -> None:
    async with here(broker, tmp_path) as at, at.browser("drift", "fleet") as page:
        assert (await page.get("/desk"))[0] == 403
        assert (await page.get(f"/desk/box/{BOX}/events"))[0] == 403
        assert await page.order({"type": "look"}) == 403
        status, text = await page.get("/audit")
        assert (status, text) == (200, at.trail.read_text())


async def test_a_revoked_technician_is_out_of_the_session_too(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff_module, "REVOKED_EVERY_S", 0.05)
    monkeypatch.setattr(desk_module, "REVOKED_EVERY_S", 0.05)
    async with here(broker, tmp_path) as at, at.browser("kari") as page:
        link = await at.box.ask()
        path, _, token = link.url.removeprefix(at.listener.url).partition("#")
        assert await page.post(path, {"token": token}) == {"type": "Done"}
        await at.box.until(state="active")
        certificate = at.person("kari").certificate.read_bytes()
        serial = x509.load_pem_x509_certificate(certificate).serial_number
        (tmp_path / "revoked").write_text(f"serial:{serial:X}\n")
        await at.box.until(state="off")
        assert await page.order({"type": "look"}) == 403
        assert ("revoked", "kari") in at.written()


async def begin(at: Here, page: Browser) -> None:
    """The technician is in, and the crew has said yes to a command line."""
    link = await at.box.ask()
    path, _, token = link.url.removeprefix(at.listener.url).partition("#")
    assert await page.post(path, {"token": token}) == {"type": "Done"}
    await at.box.until(state="active")
    async with asyncio.timeout(5):
        while (await page.order({"type": "shell-ask"}))["type"] != "Done":
            await asyncio.sleep(0.02)
    await at.box.until(command_line="asked")
    wish = GrantShell(id=at.box.session.id)
    assert await at.box.crew.request(GRANT_SHELL, wish) == Done()
    await at.box.until(command_line="granted")


async def shown_until(socket: aiohttp.ClientWebSocketResponse, text: bytes) -> None:
    """Read until it was shown."""
    seen = b""
    async with asyncio.timeout(10):
        while text not in seen:
            frame = await socket.receive()
            assert frame.type is aiohttp.WSMsgType.BINARY, (frame, seen)
            seen += frame.data


async def closed(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Until nothing comes any more."""
    async with asyncio.timeout(10):
        async for _ in socket:
            pass


async def test_a_command_line_in_the_page(broker: Broker, tmp_path: Path) -> None:
    async with (
        shell_socket(tmp_path / "shell.sock"),
        here(broker, tmp_path, "shell.sock") as at,
        at.browser("kari") as page,
    ):
        await begin(at, page)
        async with page.shell() as socket:
            assert await socket.receive_json() == {"type": "Done"}
            await socket.send_json({"columns": 77, "rows": 20})
            await socket.send_bytes(b"sleep 0.2; stty size\n")
            await shown_until(socket, b"20 77")
            assert await at.box.crew.request(END_SHELL, EndShell()) == Done()
            await closed(socket)
        async with page.shell() as socket:
            assert (await socket.receive_json())["text"] == "not-granted"
            await closed(socket)
        assert ("shell", "kari") in at.written()


@pytest.mark.parametrize("frame", ['{"columns": 0, "rows": 1}', "[]", "x", "{}"])
async def test_a_page_that_sends_junk_is_hung_up_on(
    broker: Broker, tmp_path: Path, frame: str
) -> None:
    async with (
        shell_socket(tmp_path / "shell.sock"),
        here(broker, tmp_path, "shell.sock") as at,
        at.browser("kari") as page,
    ):
        await begin(at, page)
        async with page.shell() as socket:
            assert await socket.receive_json() == {"type": "Done"}
            await socket.send_str(frame)
            await closed(socket)
        await at.box.until(command_line="off", state="active")


async def test_nobody_else_gets_a_command_line(broker: Broker, tmp_path: Path) -> None:
    async with (
        shell_socket(tmp_path / "shell.sock"),
        here(broker, tmp_path, "shell.sock") as at,
        at.browser("kari") as kari,
        at.browser("ola") as ola,
        at.browser("drift", "fleet") as fleet,
    ):
        await begin(at, kari)
        async with ola.shell() as socket:
            assert (await socket.receive_json())["text"] == "no-session"
        for page, origin in ((fleet, ""), (kari, "https://elsewhere.test")):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                async with page.shell(origin):
                    pass
        await at.box.until(command_line="granted")


async def test_a_revoked_technician_loses_the_command_line(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff_module, "REVOKED_EVERY_S", 0.05)
    monkeypatch.setattr(desk_module, "REVOKED_EVERY_S", 0.05)
    async with (
        shell_socket(tmp_path / "shell.sock"),
        here(broker, tmp_path, "shell.sock") as at,
        at.browser("kari") as page,
    ):
        await begin(at, page)
        async with page.shell() as socket:
            assert await socket.receive_json() == {"type": "Done"}
            certificate = at.person("kari").certificate.read_bytes()
            serial = x509.load_pem_x509_certificate(certificate).serial_number
            (tmp_path / "revoked").write_text(f"serial:{serial:X}\n")
            await closed(socket)
        await at.box.until(state="off", command_line="off")


async def test_the_page_hears_of_the_end_at_once(broker: Broker, tmp_path: Path) -> None:
    async with here(broker, tmp_path) as at, at.browser("kari") as page:
        link = await at.box.ask()
        path, _, token = link.url.removeprefix(at.listener.url).partition("#")
        await page.post(path, {"token": token})
        await at.box.until(state="active")
        async with page.client.get(f"/desk/box/{BOX}/events") as events:
            await at.box.crew.request(END_SUPPORT, EndSupport())
            async with asyncio.timeout(2):
                async for line in events.content:
                    if line.startswith(b"data: ") and b'"ended":"crew"' in line:
                        break
