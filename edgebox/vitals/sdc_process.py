"""The process that takes part in ISO/IEEE 11073 SDC as a consumer; sdc_consumer.py is its owner.

Run as `python -m edgebox.vitals.sdc_process`; sdc_pipe.py says what goes in and out. It looks for
its device by WS-Discovery, subscribes to what it measures, and asks for all states every POLL_S: an
answer shows that the device is there, and brings what changed without a report.

Who may reach it: on the monitors' network, `interface` alone. WS-Discovery (UDP 3702, multicast) is
heard only while the device is looked for; anybody there may answer it, and gains nothing: what is
named must then show a certificate of the configured authority, and so must whoever sends reports to
the port we open for them (TLS 1.2 or later, client certificates required on both sides). There is
no fallback to plain HTTP. Host names in certificates are not checked: SDC devices have none. What a
device may say of itself in its certificate beyond that (roles, by extended key usage) is not looked
at: the authority must be one for devices of this vehicle.

Threads are the library's: reports are put into a queue, and the main thread alone reads them, takes
them apart (monitors/sdc.py) and writes. Nothing of the library is logged: it may quote messages,
and those may name a patient.
"""

import http.client
import logging
import os
import queue
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import msgspec
from sdc11073 import observableproperties
from sdc11073.certloader import SSLContextContainer
from sdc11073.consumer.consumerimpl import SdcConsumer
from sdc11073.definitions_sdc import SdcV1Definitions
from sdc11073.mdib import ConsumerMdib
from sdc11073.wsdiscovery import WSDiscovery
from sdc11073.xml_types.actions import Actions

from edgebox.errors import RemoteProtocolError
from edgebox.observation import Observation, pack
from edgebox.vitals import sdc_pipe
from edgebox.vitals.monitors.sdc import Condition, Sdc
from edgebox.vitals.sdc_pipe import Report
from edgebox.vitals.sdc_states import (
    Presence,
    Samples,
    State,
    Value,
    conditions_of,
    metrics_of,
    states_of,
)

SEARCH_S = 1.0
"""One probe, and what answers to it."""
POLL_S = 3.0
WRITE_EVERY_S = 0.1
QUEUE_MAX = 2000
"""Reports of the device that may wait to be read."""
BATCH_MAX = 2000
"""Observations in one report of ours."""
DESCRIBED_ANEW = Presence("", False, None)
"""Stands in the queue where the device changed what it is made of."""
EXPECTED = (OSError, http.client.HTTPException, RemoteProtocolError)
"""What a device that goes away, or a certificate that is not good, brings about."""


class _Device:
    """One connection to the device."""

    def __init__(self, task: sdc_pipe.Task, address: str, tls: SSLContextContainer):
        self._waves = task.waves
        self._core = Sdc(task.device)
        self._reports: queue.Queue[tuple[list[State], float]] = queue.Queue(QUEUE_MAX)
        self._conditions: dict[str, Condition] = {}
        self._present: dict[str, Condition] = {}
        self._restarted = threading.Event()
        self._consumer = SdcConsumer(
            address, SdcV1Definitions, tls, validate=True, force_ssl_connect=True
        )
        self._mdib: Any = ConsumerMdib(self._consumer)

    def open(self) -> str:
        """Subscribe and read what it has; maker and model. Raises one of EXPECTED."""
        left_out = None if self._waves else [Actions.Waveform]
        self._consumer.start_all(not_subscribed_actions=left_out)
        bind: Any = observableproperties.bind
        bind(
            self._mdib,
            metrics_by_handle=self._report,
            waveform_by_handle=self._report,
            alert_by_handle=self._report,
            new_descriptors_by_handle=self._redescribe,
            updated_descriptors_by_handle=self._redescribe,
            deleted_descriptors_by_handle=self._redescribe,
            sequence_or_instance_id_changed_event=self._restart,
        )
        self._mdib.init_mdib()
        description = self._consumer.host_description
        if description is None:
            raise RemoteProtocolError("the device does not describe itself")
        model: Any = description.this_model
        names = [*model.Manufacturer[:1], *model.ModelName[:1]]
        return " ".join(one.text for one in names if one.text)[:200]

    def close(self) -> None:
        """Unsubscribe, if the device still listens."""
        self._consumer.stop_all(unsubscribe=bool(self._consumer.is_connected))

    def follow(self, say: Callable[[Report], None]) -> str:
        """Until it is gone; why. Raises one of EXPECTED."""
        self._describe()
        poll_at = 0.0
        while True:
            now = time.monotonic()
            if now >= poll_at:
                poll_at = now + POLL_S
                self._poll()
            self._drain(now)
            self._say_all(say)
            if self._restarted.is_set():
                return "the device started anew"
            if not self._consumer.is_connected:
                return "the device ended the subscription"
            self._restarted.wait(WRITE_EVERY_S - (time.monotonic() - now))

    # In the library's threads

    def _report(self, states: dict[str, Any] | None) -> None:
        if states:
            self._put(states_of(states.values()))

    def _redescribe(self, descriptors: dict[str, Any] | None) -> None:
        if descriptors:
            self._put([DESCRIBED_ANEW])

    def _restart(self, changed: bool | None) -> None:
        if changed:
            self._restarted.set()

    def _put(self, states: Iterable[State]) -> None:
        try:
            self._reports.put_nowait((list(states), time.time()))
        except queue.Full:
            self._core.damaged += 1

    # In the main thread

    def _describe(self) -> None:
        with self._mdib.mdib_lock:
            descriptors = list(self._mdib.descriptions.objects)
        self._core.describe(metrics_of(descriptors))
        self._conditions = conditions_of(descriptors)
        self._present = {
            handle: msgspec.structs.replace(self._conditions[handle], since_utc=one.since_utc)
            for handle, one in self._present.items()
            if handle in self._conditions
        }

    def _poll(self) -> None:
        service: Any = self._consumer.get_service_client
        answer = service.get_md_state().result.MdState.State
        self._put(one for one in states_of(answer) if not isinstance(one, Samples))

    def _drain(self, now: float) -> None:
        for _ in range(self._reports.qsize()):
            states, now_utc = self._reports.get_nowait()
            alarms = False
            for one in states:
                match one:
                    case Value(handle, value, quality):
                        self._core.take_value(handle, value, quality, now_utc)
                    case Samples(handle, samples, quality):
                        self._core.take_samples(handle, samples, quality, now_utc)
                    case Presence() if one is DESCRIBED_ANEW:
                        self._describe()
                    case Presence():
                        alarms = True
                        self._note(one)
            if alarms:
                self._core.take_conditions(self._present.values(), now, now_utc)

    def _note(self, one: Presence) -> None:
        condition = self._conditions.get(one.handle)
        if condition is None or not one.present:
            self._present.pop(one.handle, None)
        else:
            self._present[one.handle] = msgspec.structs.replace(condition, since_utc=one.since_utc)

    def _say_all(self, say: Callable[[Report], None]) -> None:
        core = self._core
        found: list[Observation] = core.observations()
        readable, damaged = core.readable, core.damaged
        core.readable = core.damaged = 0
        for start in range(0, len(found), BATCH_MAX):
            say(Report("data", content=pack(found[start : start + BATCH_MAX]), readable=readable,
                       damaged=damaged))  # fmt: skip
            readable = damaged = 0
        if readable or damaged:
            say(Report("data", content=pack([]), readable=readable, damaged=damaged))


def contexts(ca: str, certificate: str, private_key: str) -> SSLContextContainer:
    """TLS towards devices and from them: both ends show a certificate of `ca`. Raises OSError."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    for one in (client, server):
        one.minimum_version = ssl.TLSVersion.TLSv1_2
        one.verify_mode = ssl.CERT_REQUIRED
        one.load_verify_locations(ca)
        one.load_cert_chain(certificate, private_key)
    return SSLContextContainer(client, server)


def _find(task: sdc_pipe.Task) -> str:
    """Where the device says it is; empty: no answer. Raises OSError."""
    discovery: Any = WSDiscovery(task.interface)
    discovery.start()
    try:
        for service in discovery.search_sdc_services(timeout=SEARCH_S):
            if service.epr.lower() == task.identity:
                secure = [one for one in service.x_addrs if one.startswith("https://")]
                return secure[0] if secure else ""
        return ""
    finally:
        discovery.stop()


def _connect(task: sdc_pipe.Task, say: Callable[[Report], None]) -> str:
    """Find the device and follow it until it is gone; why. Raises one of EXPECTED."""
    address = _find(task)
    if not address:
        return f"{task.identity} does not answer on the network of {task.interface}"
    device = _Device(task, address, contexts(task.ca, task.certificate, task.private_key))
    try:
        name = device.open()
        say(Report("connected", name))
        return device.follow(say)
    finally:
        device.close()


def _speak() -> Callable[[Report], None]:
    """Reports go to what was standard output; what else prints goes to the log."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(report: Report) -> None:
        out.write(sdc_pipe.frame(report))
        out.flush()

    return say


def _end_with_owner() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _say_where(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """A traceback without its message, which may quote what a device sent."""
    sys.stderr.write(f"{kind.__name__}\n{''.join(traceback.format_tb(at))}")


def main() -> None:
    """Until the owner closes our input."""
    sys.excepthook = _say_where
    threading.excepthook = lambda args: _say_where(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )
    logging.disable(logging.CRITICAL)
    say = _speak()
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=sdc_pipe.Task)
    threading.Thread(target=_end_with_owner, name="owner", daemon=True).start()
    while True:
        try:
            why = _connect(task, say)
        except EXPECTED as error:
            why = f"{type(error).__name__}: {getattr(error, 'strerror', '') or 'no connection'}"
        say(Report("searching", why[:200]))


if __name__ == "__main__":
    main()
