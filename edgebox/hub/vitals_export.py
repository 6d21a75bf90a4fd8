"""Sends what is stored to the hospital: HL7 over MLLP, FHIR over HTTPS. In order, and again.

Each target has a place of its own in the database (`vitals_export`), so that nothing is left out
over restarts of either side. A target that was never there begins with what comes from now on. What
it answers with an error is sent again, with growing pauses; what it refuses outright is passed
over, and this is said in the journal with the batch's number, without its contents.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

import aiohttp

from edgebox.config import Config, parse_address, read_secret, resolve_file
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.hub import vitals_fhir, vitals_hl7
from edgebox.hub.vitals_store import BatchRow, VitalsStore
from edgebox.messages.base import Fault

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LOOK_EVERY_S = 1.0
DATABASE_AGAIN_S = 2.0
ROWS = 50
REPLY_TIMEOUT_S = 20.0
REPLY_MAX_BYTES = 65_536
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

Outcome = Literal["accepted", "refused", "error"]


class Hl7Target:
    """The hospital's MLLP listener."""

    def __init__(self, address: str, context: ssl.SSLContext | None, *, waves: bool):
        """`context`: of TLS; None: plain, for a private network."""
        self.name = f"hl7 {address}"
        self._address = parse_address(address)
        self._context = context
        self._waves = waves
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, row: BatchRow) -> Outcome:
        """One batch. Raises OSError if it cannot be reached."""
        message = vitals_hl7.message_of(row, waves=self._waves, now_utc=time.time())
        if message is None:
            return "accepted"
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(
                        *self._address, ssl=self._context, limit=REPLY_MAX_BYTES
                    )
                reader, writer = self._streams
                writer.write(message)
                await writer.drain()
                while not (verdict := vitals_hl7.verdict_of(await _reply(reader), row)):
                    pass  # of an earlier message, which was too late
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            self.close()
            raise OSError(str(error) or type(error).__name__) from error
        if verdict == "accepted":
            return "accepted"
        return "refused" if verdict == "refused" else "error"

    def close(self) -> None:
        """Let go of the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class FhirTarget:
    """The hospital's FHIR R4 server."""

    def __init__(self, base_url: str, token: str, *, waves: bool):
        """`token`: of the Authorization header, Bearer; empty: none."""
        self.name = f"fhir {base_url}"
        self._url = base_url
        self._headers = {"Content-Type": "application/fhir+json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._waves = waves

    async def send(self, row: BatchRow) -> Outcome:
        """One batch as a Bundle. Raises OSError if it cannot be reached."""
        resources = vitals_fhir.observations_of(row, waves=self._waves)
        if not resources:
            return "accepted"
        timeout = aiohttp.ClientTimeout(total=REPLY_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
                session.post(self._url, json=vitals_fhir.bundle_of(resources)) as answer,
            ):
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(str(error) or type(error).__name__) from error
        if answer.status < 300:
            return "accepted"
        # Not the right to, too much, or a fault of theirs: they may change their mind.
        is_lasting = answer.status in {400, 413, 415, 422}
        return "refused" if is_lasting else "error"

    def close(self) -> None:
        """Nothing is kept open."""


class Exporter:
    """One target and where it is in the store."""

    def __init__(self, store: VitalsStore, target: Hl7Target | FhirTarget):
        self._store = store
        self._target = target
        self._tries = 0

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            through = await self._begin()
            while True:
                rows = await self._insist(self._store.read, through, ROWS)
                for row in rows:
                    await self._deliver(row)
                    through = row.id
                    await self._insist(self._store.note_exported, self._target.name, through)
                if not rows:
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._target.close()

    async def _begin(self) -> int:
        through = await self._insist(self._store.exported, self._target.name)
        if through is None:
            through = await self._insist(self._store.last_id)
            await self._insist(self._store.note_exported, self._target.name, through)
        return through

    async def _insist(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As the store's `call`, again and again while the database is away."""
        while True:
            answer = await self._store.call(method, *args, **kwargs)
            if not isinstance(answer, Fault):
                return answer
            logger.error("%s waits: %s", self._target.name, answer.text)
            await asyncio.sleep(DATABASE_AGAIN_S)

    async def _deliver(self, row: BatchRow) -> None:
        """Until it is taken, or refused."""
        self._tries = 0
        while True:
            try:
                outcome: Outcome = await self._target.send(row)
            except RemoteProtocolError:
                outcome = "refused"  # the box sent something that is no batch; it stays stored
            except OSError as error:
                outcome = "error"
                self._complain(str(error))
            if outcome == "accepted":
                return
            if outcome == "refused":
                logger.error("%s refused batch %d: passed over", self._target.name, row.id)
                return
            self._tries += 1
            await asyncio.sleep(PAUSES_S[min(self._tries - 1, len(PAUSES_S) - 1)])

    def _complain(self, why: str) -> None:
        if not self._tries:
            logger.warning("%s: %s", self._target.name, why)


def exporters(config: Config, store: VitalsStore) -> list[Exporter]:
    """Those that are configured. Raises ConfigError or DeviceError."""
    hub = config.hub
    targets: list[Hl7Target | FhirTarget] = []
    if hub.vitals_hl7:
        context = None
        if hub.vitals_hl7_ca:
            path = resolve_file(config, hub.vitals_hl7_ca)
            try:
                context = ssl.create_default_context(cafile=str(path))
            except OSError as error:
                raise DeviceError(f"hub.vitals_hl7_ca {path}: {error}") from error
        targets.append(Hl7Target(hub.vitals_hl7, context, waves=hub.vitals_export_waves))
    if hub.vitals_fhir:
        token = ""
        if hub.vitals_fhir_token:
            token = read_secret(config, hub.vitals_fhir_token).decode()
        targets.append(FhirTarget(hub.vitals_fhir, token, waves=hub.vitals_export_waves))
    return [Exporter(store, target) for target in targets]


async def _reply(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\x1c")
