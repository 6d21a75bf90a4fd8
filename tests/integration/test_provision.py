"""A fresh box gets its identity, with a real broker, the hub's web side and the authority."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from edgebox.app import make_authority
from edgebox.authority import service as authority_service
from edgebox.authority.command import replace, show, staff, voucher
from edgebox.bus import Bus
from edgebox.config import Config, load
from edgebox.errors import ConfigError, DeviceError, RemoteProtocolError
from edgebox.hub import service as hub_service
from edgebox.identity.certificate import full_name, general_names
from edgebox.identity.request import make_key, make_request
from edgebox.identity.voucher import parse
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.provision.enrol import enrol
from edgebox.provision.place import Place
from edgebox.provision.renew import renew
from edgebox.sim.ports import free_port
from tests.conftest import Broker

DAY_S = 86_400.0


@dataclass
class Fleet:
    """A hub that runs, its authority, and what their files say."""

    config: Config
    broker: Broker

    def voucher(self, box: str = "box-7") -> str:
        return voucher(self.config, box, "Ambulanse 7", 1)[1]


@contextlib.asynccontextmanager
async def fleet(directory: Path, broker: Broker) -> AsyncIterator[Fleet]:
    port = free_port()
    path = directory / "hub.toml"
    path.write_text(
        f"""
[bond]
role = "hub"
revoked = "{directory}/revoked"
[hub]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
bus = "{broker.address}"
database = "sqlite:///{directory}/hub.db"
turn_secret = "turn-secret"
[authority]
directory = "authority"
"""
    )
    (directory / "turn-secret").write_text("tests-only")
    config = load(path)
    make_authority(config, "Test fleet")
    work = [asyncio.ensure_future(run(config)) for run in (hub_service.run, authority_service.run)]
    try:
        await _until_listening(port)
        yield Fleet(config, broker)
    finally:
        for task in work:
            task.cancel()
        done = await asyncio.gather(*work, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in done), done


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


async def test_fresh_box_to_renewal_to_replacement(tmp_path: Path, broker: Broker) -> None:
    async with fleet(tmp_path, broker) as one:
        place = Place(tmp_path / "etc")
        text = one.voucher()
        command = [sys.executable, "-m", "edgebox", "provision", "-", "--etc", str(place.etc)]
        ran = await asyncio.to_thread(
            subprocess.run, command, input=text + "\n", capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert "this box is box-7 now" in ran.stdout
        config = load(place.config)
        assert (config.box.id, config.box.vehicle) == ("box-7", "Ambulanse 7")
        assert config.bond.hub == "127.0.0.1:4500"
        assert "topic box/box-7/up/# out 1" in place.broker.read_text()
        first = place.identity.read_text()

        with pytest.raises(ConfigError, match="factory-reset"):
            await enrol(place, text)
        with pytest.raises(ConfigError, match="refuses"):
            await enrol(Place(tmp_path / "second"), text)

        # The box's own broker and the hub's are one here; in the field a bridge is between them.
        config = msgspec.structs.replace(
            config, bus=msgspec.structs.replace(config.bus, address=broker.address)
        )
        assert await renew(config, place) == "not yet"
        later = time.time() + 200 * DAY_S
        with pytest.raises(DeviceError, match="not before half"):
            await renew(config, place, now_utc=later)  # the authority's clock decides
        assert place.identity.read_text() == first

        said, text = replace(one.config, "box-7", 1)
        assert said[0].startswith("1 certificate(s) of box-7 shut out")
        assert "serial:" in (tmp_path / "revoked").read_text()
        successor = Place(tmp_path / "successor")
        assert await enrol(successor, text) == "box-7"
        states = [line.split()[1] for line in show(one.config)]
        assert states == ["good", "shut"]


def test_staff_gets_a_certificate_of_an_authority_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text('[authority]\ndirectory = "keys"\n')
    config = load(path)
    with pytest.raises(ConfigError, match="authority init"):
        staff(config, "Kari Berg", "technician", tmp_path / "kari.p12")
    made = make_authority(config, "Fleet")
    assert len(made) == 10
    assert make_authority(config, "Fleet") == ["all there, nothing changed"]
    bundle = tmp_path / "kari.p12"
    said = staff(config, "Kari Berg", "technician", bundle)
    assert bundle.stat().st_mode & 0o777 == 0o600
    _, certificate, others = pkcs12.load_key_and_certificates(bundle.read_bytes(), said[1].encode())
    assert certificate is not None
    assert certificate.subject == full_name("Kari Berg", "technician")
    certificate.verify_directly_issued_by(others[0])
    assert others[0].subject == full_name("Fleet, staff")
    assert f"serial:{certificate.serial_number:X}" in said[2]
    with pytest.raises(DeviceError, match="exists"):
        staff(config, "Kari Berg", "technician", bundle)


def test_hub_is_known_by_its_name_and_at_the_end_of_the_conduit(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(
        '[authority]\ndirectory = "keys"\n[hub]\npublic_url = "https://hub.example.org"\n'
    )
    make_authority(load(path), "Fleet")
    hub = x509.load_pem_x509_certificate((tmp_path / "keys/hub.pem").read_bytes())
    names = hub.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == general_names(["hub.example.org", "127.0.0.1"])


async def test_no_renewal_during_a_mission(tmp_path: Path, broker: Broker) -> None:
    async with fleet(tmp_path, broker) as one, Bus(broker.address, "media", box="box-7") as bus:
        place = Place(tmp_path / "etc")
        await enrol(place, one.voucher())
        await bus.publish(
            MEDIA_SESSION,
            MediaSession(id="s", state="live", since_utc=1.0, instance="i", cameras=(), sent=()),
        )
        config = msgspec.structs.replace(
            load(place.config), bus=msgspec.structs.replace(one.config.bus, address=broker.address)
        )
        assert await renew(config, place, now_utc=time.time() + 200 * DAY_S) == "mission"


async def test_lost_answer_and_no_authority(tmp_path: Path, broker: Broker) -> None:
    async with fleet(tmp_path, broker) as one:
        text = one.voucher()
        place = Place(tmp_path / "etc")
        broker.kill()
        with pytest.raises(DeviceError, match="answered 503"):
            await enrol(place, text)
        key = place.next_key.read_bytes()
        broker.start()
        async with asyncio.timeout(20):
            while not place.is_provisioned:
                with contextlib.suppress(DeviceError):
                    await enrol(place, text)
        assert key in place.identity.read_bytes()


async def test_configuration_that_comes_along_is_taken_and_a_bad_one_costs_no_voucher(
    tmp_path: Path, broker: Broker
) -> None:
    brought = tmp_path / "edgebox.toml"
    async with fleet(tmp_path, broker) as one:
        text, place = one.voucher(), Place(tmp_path / "etc")
        for bad in (b"[panel]\nlanguag = 'nb'\n", b"\xff\xfe", b"[box"):
            brought.write_bytes(bad)
            with pytest.raises(ConfigError, match=r"edgebox\.toml"):
                await enrol(place, text, brought)
            assert not place.config.exists()
        brought.write_text("[box]\nid = 'else'\n[[bond.link]]\nname = 'lte'\ninterface = 'wwan0'\n")
        assert await enrol(place, text, brought) == "box-7"
        config = load(place.config)
        assert (config.box.id, config.bond.link[0].interface) == ("box-7", "wwan0")
        brought.unlink()
        other = Place(tmp_path / "other")
        assert await enrol(other, one.voucher("box-8"), brought) == "box-8"


async def test_false_hub_is_not_believed(tmp_path: Path, broker: Broker) -> None:
    """Somebody on the way has an authority of their own, but not the voucher."""
    async with fleet(tmp_path, broker) as theirs:
        other = parse(theirs.voucher("box-7"))
        port = free_port()

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            body = {"type": "Enrolled", "certificate": "x", "authority": "y", "vehicle": "v"}
            body |= {"hub": "evil.example", "proof": "0" * 64}
            return web.json_response(body)

        app = web.Application()
        app.router.add_post("/enrol/box-7", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        place = Place(tmp_path / "etc")
        try:
            with pytest.raises(RemoteProtocolError, match="not by who drew the voucher"):
                await enrol(place, other._replace(hub=f"http://127.0.0.1:{port}").text())
        finally:
            await runner.cleanup()
        assert not place.is_provisioned
        assert not place.authority.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{}", 400), (b"[" * 3000, 400), (b"\xff", 400), (b"x" * 5000, 404)],
)
async def test_what_is_no_request(tmp_path: Path, broker: Broker, body: bytes, status: int) -> None:
    async with fleet(tmp_path, broker) as one, aiohttp.ClientSession() as session:
        url = f"{one.config.hub.public_url}/enrol/box-7"
        async with session.post(url, data=body) as response:
            assert response.status == status


async def test_tries_are_limited(tmp_path: Path, broker: Broker) -> None:
    async with fleet(tmp_path, broker) as one, aiohttp.ClientSession() as session:
        request = make_request(make_key(), "box-7")
        body = {"type": "Enrol", "request": request, "proof": "0" * 64}
        seen = []
        for _ in range(12):
            url = f"{one.config.hub.public_url}/enrol/box-7"
            async with session.post(url, json=body) as response:
                seen.append(response.status)
        assert seen[0] == 403
        assert 429 in seen
