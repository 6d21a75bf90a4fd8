"""DNS-SD on the access point: a hint where the box is, and nothing more (RFC 6762, RFC 6763).

    <box>._edgebox._tcp.local.   SRV <box>.local.:<port>   TXT v=1 box=<id> path=/

No vehicle's name, no call sign, nothing of patients: whoever hears it learns that here is a box.
Whoever answers to it has to prove itself (pairing.proof), so a false answer gains nothing; the box
listens for others all the same and says so in its log, for there should be one in each vehicle.

Who may reach it: everything on the access point's network; it is bound to that address.
"""

import asyncio
import ipaddress
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from zeroconf import IPVersion, ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from edgebox.errors import RemoteProtocolError

logger = logging.getLogger(__name__)

TYPE = "_edgebox._tcp.local."
VERSION = "1"
RETRY_S = 5.0
LOOK_MS = 2000
STRANGERS_MAX = 16
PATH = re.compile(r"/[A-Za-z0-9/_-]{0,40}")
BOX = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class Announced:
    """What somebody says of himself."""

    box: str
    path: str


def properties(box: str) -> dict[str, str]:
    """The TXT record."""
    return {"v": VERSION, "box": box, "path": "/"}


def parse(txt: Mapping[bytes, bytes | None]) -> Announced:
    """A TXT record from the network. Raises RemoteProtocolError."""
    try:
        text = {key.decode("ascii"): (value or b"").decode("ascii") for key, value in txt.items()}
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("TXT is not ASCII") from error
    box, path = text.get("box", ""), text.get("path", "")
    if text.get("v") != VERSION or not BOX.fullmatch(box) or not PATH.fullmatch(path):
        raise RemoteProtocolError("TXT of something else")
    return Announced(box, path)


def service_info(box: str, address: str, port: int) -> ServiceInfo:
    """What is announced."""
    return ServiceInfo(
        TYPE,
        f"{box}.{TYPE}",
        addresses=[ipaddress.ip_address(address).packed],
        port=port,
        properties=properties(box),
        server=f"{box}.local.",
    )


class Discovery:
    """Announces this box and listens for others on the same network."""

    def __init__(self, box: str, address: str, port: int):
        """`address`: of the access point, IPv4 or IPv6."""
        self._box = box
        self._address = address
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.strangers: dict[str, Announced] = {}
        """Address -> what it claims to be. At most STRANGERS_MAX."""

    async def run(self) -> None:
        """Until cancelled; the access point may come later than we do."""
        while True:
            try:
                await self._announce()
            except OSError as error:
                logger.info("not announced on %s: %s", self._address, error.strerror or error)
                await asyncio.sleep(RETRY_S)

    async def _announce(self) -> None:
        version = IPVersion.V6Only if ":" in self._address else IPVersion.V4Only
        zeroconf = AsyncZeroconf(interfaces=[self._address], ip_version=version)
        browser = None
        try:
            info = service_info(self._box, self._address, self._port)
            await (await zeroconf.async_register_service(info, allow_name_change=True))
            browser = AsyncServiceBrowser(zeroconf.zeroconf, TYPE, handlers=[self._notice])
            await asyncio.Event().wait()
        finally:
            if browser is not None:
                await browser.async_cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await zeroconf.async_close()

    def _notice(
        self,
        zeroconf: Zeroconf,
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is ServiceStateChange.Removed or len(self._tasks) >= STRANGERS_MAX:
            return
        task = asyncio.get_running_loop().create_task(self._look(zeroconf, service_type, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, zeroconf: Zeroconf, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        if not await info.async_request(zeroconf, LOOK_MS):
            return
        try:
            found = parse(info.properties)
        except RemoteProtocolError:
            return
        for address in info.parsed_addresses():
            known = address == self._address or address in self.strangers
            if not known and len(self.strangers) < STRANGERS_MAX:
                self.strangers[address] = found
                logger.warning("%s on this vehicle's network announces itself as a box", address)


def own_address(host: str) -> bool:
    """Whether DNS-SD is of use there: an address of one interface, not a name or a wildcard."""
    try:
        return not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
