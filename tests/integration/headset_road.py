"""A vehicle, the Internet with a hub, and a headset with two networks: Wi-Fi and a mobile one.

    car     10.78.0.1 ap0 --- wlan0 10.78.0.50   device
    car     10.80.1.2 lte0 -- 10.80.1.1          net: hub, TURN server, 10.80.0.1
    device  10.80.2.2 mob0 -- 10.80.2.1          net

Every part is a process of its own in its machine's network namespace, as its unit starts it; the
one broker stands for both brokers and the bridge between them. What DHCP brings, the address that
the page's name has on a network, is the device's own /etc/hosts.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Playwright

from edgebox.host.daemons import TlsFiles
from edgebox.sim import pki
from tests.conftest import Broker, TurnServer
from tests.demo import CHROMIUM, CHROMIUM_ARGS
from tests.namespaces.world import Namespace

NAME = "headset.test"
BOX = "box-1"
VEHICLE = "Ambulanse 1-7"
PORT = 8443
CAR, HUB = "10.78.0.1", "10.80.0.1"
PREVIEW, STAFF, FRONT, TURN = 18081, 18443, 18091, 3478
ORIGIN = "http://127.0.0.1:18080"
START_S = 30.0
TLS_FRONT = """
import asyncio, ssl, sys
listen, port, to, certificate, key = sys.argv[1:]
async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    finally:
        writer.close()
async def serve(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", int(to))
    await asyncio.gather(copy(reader, back), copy(there, writer))
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, listen, int(port), ssl=context)
    await server.serve_forever()
asyncio.run(main())
"""


class RoadTurn(TurnServer):
    """The TURN server that stands on the Internet."""

    @property
    def address(self) -> str:
        """Where both ends reach it."""
        return f"{HUB}:{TURN}"


@dataclass
class Road:
    """Machines and what runs on them."""

    directory: Path
    broker: Broker
    turn: RoadTurn
    stack: contextlib.ExitStack
    places: dict[str, Namespace] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The page, in the vehicle and outside."""
        return f"https://{NAME}:{PORT}/"

    # Networks

    def build(self) -> None:
        """Machines and cables."""
        for name in ("car", "net", "device"):
            place = self.places[name] = Namespace(name)
            self.stack.callback(place.close)
        self._cable("car", "ap0", f"{CAR}/24", "device", "wlan0", "10.78.0.50/24")
        self._cable("car", "lte0", "10.80.1.2/24", "net", "car0", "10.80.1.1/24")
        self._cable("device", "mob0", "10.80.2.2/24", "net", "dev0", "10.80.2.1/24")
        self.places["net"].ip("addr", "add", f"{HUB}/32", "dev", "lo")
        self.places["car"].ip("route", "add", "default", "via", "10.80.1.1")
        self.places["device"].ip("route", "add", "default", "via", "10.80.2.1")
        self.say_name(CAR)

    def _cable(
        self, one: str, near: str, address: str, other: str, far: str, far_address: str
    ) -> None:
        here, there = self.places[one], self.places[other]
        here.ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", str(there.pid))
        for place, name, own in ((here, near, address), (there, far, far_address)):
            place.ip("addr", "add", own, "dev", name)
            place.ip("link", "set", name, "up")

    def say_name(self, address: str) -> None:
        """What the network that the device is on says where the page's name is."""
        (self.directory / "hosts").write_text(f"127.0.0.1 localhost\n{address} {NAME}\n")

    def leave(self) -> None:
        """Out of the Wi-Fi's reach."""
        self.places["device"].ip("link", "set", "wlan0", "down")
        self.say_name(HUB)

    def come_back(self) -> None:
        """The Wi-Fi is there again."""
        self.say_name(CAR)
        self.places["device"].ip("link", "set", "wlan0", "up")

    # Processes

    def start(self) -> None:
        """Everything but browsers."""
        keys = self.directory / "pki"
        box = pki.box_credentials(keys, BOX)
        page = pki.hub_credentials(keys / "page", (NAME,))
        pki.hub_credentials(keys, ("127.0.0.1",))
        pki.registry_credentials(keys)
        pki.staff_credentials(keys / "staff", "fleet", "Kari", "fleet")
        (self.directory / "turn-secret").write_text(self.turn.secret)
        (self.directory / "box.toml").write_text(self._box(box, page))
        (self.directory / "hub.toml").write_text(self._hub())
        edgebox = (sys.executable, "-m", "edgebox", "run")
        self._run("net", "turn", *self._turn_words())
        self._run("net", "hub", *edgebox, "hub", "-c", str(self.directory / "hub.toml"))
        self._run(
            "net", "front", sys.executable, "-c", TLS_FRONT, HUB, str(PORT), str(FRONT),
            str(page.certificate), str(page.private_key),
        )  # fmt: skip
        for name in ("media", "headset"):
            self._run("car", name, *edgebox, name, "-c", str(self.directory / "box.toml"))

    def _run(self, place: str, name: str, *words: str) -> None:
        with (self.directory / f"{name}.log").open("wb") as out:
            process = self.places[place].start(*words, stdout=out, stderr=out)
        self.stack.callback(process.wait, 15)
        self.stack.callback(process.terminate)

    def _turn_words(self) -> list[str]:
        return [
            *("turnserver", "-n", f"--listening-ip={HUB}", f"--listening-port={TURN}"),
            *(f"--relay-ip={HUB}", "--min-port=49152", "--max-port=65535"),
            *("--use-auth-secret", f"--static-auth-secret={self.turn.secret}"),
            *(f"--realm={self.turn.realm}", "--no-multicast-peers", "--no-cli", "--no-tls"),
            *("--no-dtls", "--fingerprint", "--simple-log", "--log-file=stdout"),
            f"--pidfile={self.directory / 'turn.pid'}",
            f"--userdb={self.directory / 'turn.db'}",
        ]

    def _box(self, box: TlsFiles, page: TlsFiles) -> str:
        return (
            f"[box]\nid = '{BOX}'\nvehicle = '{VEHICLE}'\n"
            f"[bus]\naddress = '{self.broker.address}'\n"
            f"[bond]\nca = '{box.ca}'\ncertificate = '{box.certificate}'\n"
            f"private_key = '{box.private_key}'\n"
            f"[media]\nturn = '{HUB}:{TURN}'\npreview_listen = '127.0.0.1:{PREVIEW}'\n"
            "[[media.camera]]\nid = 'front'\nname = 'Kabin foran'\nkind = 'pattern'\n"
            "width = 320\nheight = 180\n"
            f"[panel]\nlisten = '{ORIGIN.removeprefix('http://')}'\n"
            f"[headset]\nlisten = '{CAR}:{PORT}'\ninterface = 'ap0'\nname = '{NAME}'\n"
            f"fleet_certificate = '{page.certificate}'\nfleet_key = '{page.private_key}'\n"
            "state = 'headset-state'\n"
        )

    def _hub(self) -> str:
        return (
            f"[hub]\nlisten = '127.0.0.1:18090'\npublic_url = 'http://127.0.0.1:18090'\n"
            f"headset_listen = '127.0.0.1:{FRONT}'\nbus = '{self.broker.address}'\n"
            f"database = 'sqlite:///{self.directory}/hub.db'\n"
            f"turn_urls = ['turn:{HUB}:{TURN}?transport=udp']\nturn_secret = 'turn-secret'\n"
            f"staff_listen = '127.0.0.1:{STAFF}'\nstaff_url = 'https://127.0.0.1:{STAFF}'\n"
            "staff_ca = 'pki/staff/ca.pem'\nstaff_certificate = 'pki/hub.pem'\n"
            "staff_private_key = 'pki/hub.key'\nregistry_certificate = 'pki/registry.pem'\n"
            "registry_key = 'pki/registry.key'\nregistry_ca = 'pki/ca.pem'\n"
            f"support_audit = '{self.directory}/audit.jsonl'\n"
        )

    async def until_answers(self, place: str, url: str) -> None:
        """Whatever it says."""
        words = self.places[place].command("curl", "-sk", "--max-time", "2", "-o", "/dev/null",
                                           "--resolve", f"{NAME}:{PORT}:{CAR}", url)  # fmt: skip
        deadline = time.monotonic() + START_S
        while (await asyncio.to_thread(subprocess.run, words, check=False)).returncode in {7, 28}:
            assert time.monotonic() < deadline, url
            await asyncio.sleep(0.2)

    async def ticket(self) -> str:
        """The page that fleet staff see after they asked for a code for this vehicle."""
        staff = self.directory / "pki/staff"
        url = f"https://127.0.0.1:{STAFF}"
        words = self.places["net"].command(
            "curl", "-skL", "--cert", str(staff / "fleet.pem"), "--key", str(staff / "fleet.key"),
            "-H", f"Origin: {url}", "-d", f"name=Hodekamera&owner=&box={BOX}",
            f"{url}/fleet/tickets",
        )  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, words, check=False, capture_output=True)
        return done.stdout.decode()

    # Browsers

    async def chromium(self, play: Playwright, place: str) -> Browser:
        """A Chromium on that machine, which asks that machine's /etc/hosts for names."""
        script = self.directory / f"chromium-{place}"
        inside = self.places[place].command(
            "unshare", "--mount", "sh", "-c",
            f"'mount --bind {self.directory}/hosts /etc/hosts && exec {CHROMIUM} \"$@\"'",
        )  # fmt: skip
        script.write_text(f'#!/bin/sh\nexec {" ".join(inside)} sh "$@"\n')
        script.chmod(0o755)
        # The panel's page asks media on loopback; here it is made up, and no page of loopback.
        flags = [*CHROMIUM_ARGS, "--disable-features=LocalNetworkAccessChecks"]
        return await play.chromium.launch(executable_path=str(script), args=flags)


@contextlib.asynccontextmanager
async def road(directory: Path, broker: Broker) -> AsyncIterator[Road]:
    """Everything built and started."""
    with contextlib.ExitStack() as stack:
        one = Road(directory, broker, RoadTurn(directory), stack)
        one.build()
        one.start()
        yield one
