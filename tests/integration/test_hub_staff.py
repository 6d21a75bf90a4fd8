"""The hub's listener for staff, over real TLS: who gets in, who does not, and when it ends."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509

from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.errors import ConfigError, DeviceError
from edgebox.host.daemons import TlsFiles
from edgebox.hub import staff as module
from edgebox.hub.staff import PERSON, Person, Staff
from edgebox.sim import pki
from edgebox.sim.ports import free_port


@dataclass
class Listener:
    """A staff listener with a page in each area, and the lab's certificates."""

    config: Config
    directory: Path
    staff: Staff

    @property
    def url(self) -> str:
        return self.config.hub.staff_url

    def person(self, unit: str) -> TlsFiles:
        return pki.staff_credentials(self.directory / "staff", unit, f"{unit} name", unit)

    def client(self, files: TlsFiles | None) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=str(self.directory / "fleet" / "ca.pem"))
        if files is not None:
            context.load_cert_chain(files.certificate, files.private_key)
        return aiohttp.ClientSession(
            self.url, connector=aiohttp.TCPConnector(ssl=context, force_close=True)
        )


async def _say_who(request: web.Request) -> web.Response:
    person = request[PERSON]
    return web.Response(text=f"{person.role} {person.name} {person.serial}")


@contextlib.asynccontextmanager
async def listening(directory: Path) -> AsyncIterator[Listener]:
    port = free_port()
    pki.hub_credentials(directory / "fleet", ("127.0.0.1",))
    pki.staff_credentials(directory / "staff", "technician", "technician name", "technician")
    (directory / "revoked").write_text("# nobody yet\n")
    hub = Hub(
        staff_listen=f"127.0.0.1:{port}",
        staff_url=f"https://127.0.0.1:{port}",
        staff_ca="staff/ca.pem",
        staff_certificate="fleet/hub.pem",
        staff_private_key="fleet/hub.key",
        staff_revoked="revoked",
    )
    config = Config(hub=hub, directory=str(directory))
    one = Staff(config)
    app = one.application()
    for path in ("/desk", "/fleet", "/audit", "/elsewhere"):
        app.router.add_get(path, _say_who)
        app.router.add_post(path, _say_who)
    async with one.serving(app):
        yield Listener(config, directory, one)


async def test_people_are_who_their_certificates_say(tmp_path: Path) -> None:
    async with listening(tmp_path) as here:
        for unit, home in (("technician", "/desk"), ("fleet", "/fleet")):
            files = here.person(unit)
            serial = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
            async with here.client(files) as client, client.get("/") as answer:
                assert answer.url.path == home
                assert await answer.text() == f"{unit} {unit} name {serial:X}"
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_strangers_do_not_pass_tls(tmp_path: Path) -> None:
    """No certificate, a box's, and one of another staff authority."""
    async with listening(tmp_path) as here:
        box = pki.box_credentials(tmp_path / "fleet", "box-1")
        other = pki.staff_credentials(tmp_path / "other", "x", "x", "technician")
        for files in (None, box, other):
            async with here.client(files) as client:
                with pytest.raises(aiohttp.ClientError):
                    await client.get("/desk")


async def test_other_units_and_the_others_area_are_refused_plainly(tmp_path: Path) -> None:
    async with listening(tmp_path) as here:
        for unit, path in (
            ("doctor", "/desk"),
            ("technician", "/fleet"),
            ("fleet", "/desk"),
            ("fleet", "/elsewhere"),
        ):
            async with here.client(here.person(unit)) as client, client.get(path) as answer:
                assert (answer.status, await answer.text()) == (403, "Ingen adgang / No access\n")


async def test_only_our_own_pages_change_anything(tmp_path: Path) -> None:
    async with (
        listening(tmp_path) as here,
        here.client(here.person("technician")) as client,
    ):
        for headers, status in (
            ({}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": here.url}, 200),
        ):
            async with client.post("/desk", headers=headers) as answer:
                assert answer.status == status
        foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        async with client.get("/desk", headers=foreign) as answer:
            assert answer.status == 403


async def test_a_revoked_certificate_opens_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REVOKED_EVERY_S", 0.01)
    async with listening(tmp_path) as here:
        files = here.person("technician")
        serial = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
        async with here.client(files) as client:
            async with client.get("/desk") as answer:
                assert answer.status == 200
            (tmp_path / "revoked").write_text(f"serial:{serial:X}  # left the trust\n")
            async with asyncio.timeout(5):
                while here.staff.is_welcome(Person("x", "technician", f"{serial:X}")):
                    await asyncio.sleep(0.01)
            async with client.get("/desk") as answer:
                assert answer.status == 403


async def test_an_expired_person_is_not_welcome(tmp_path: Path) -> None:
    async with listening(tmp_path) as here:
        assert not here.staff.is_welcome(Person("x", "technician", "AB", expires_utc=1.0))


async def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    async with listening(tmp_path) as here:
        with pytest.raises(DeviceError, match=r"hub.staff_listen .* in use"):
            async with Staff(here.config).serving(web.Application()):
                pass
    (tmp_path / "revoked").unlink()
    with pytest.raises(ConfigError, match=r"hub.staff_revoked: .*revoked: No such file"):
        Staff(here.config)
    (tmp_path / "staff" / "ca.pem").unlink()
    (tmp_path / "revoked").touch()
    with pytest.raises(ConfigError, match="staff_ca"):
        Staff(here.config)
