"""A simulated ISO/IEEE 11073 SDC device: a provider of sdc11073 with TLS, on one network address.

Beside it, in a directory, is what a box needs to take it in: certificates of an authority made for
the occasion, and `monitor.toml` with the entry for the configuration, written when it is there.

Values each second, ECG II and plethysmogram each 0.25 s, one alert condition. Its faults: silence,
reboot, clock, lead-off, demo and alarm; damage on the way is TLS's to notice, and ends connections.
"""

import asyncio
import logging
import ssl
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from sdc11073.certloader import SSLContextContainer
from sdc11073.mdib import ProviderMdib
from sdc11073.provider import SdcProvider
from sdc11073.wsdiscovery import WSDiscovery
from sdc11073.xml_types import pm_types
from sdc11073.xml_types.dpws_types import ThisDeviceType, ThisModelType

from edgebox.host.daemons import TlsFiles
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.sdc_pki import make_participants

TICK_S = 0.25
NUMERICS_EVERY = 4
RATES_HZ = {"ecg": 250, "pleth": 125}
_NUMERICS = (
    ("hr", 147842, "HR", 264864, "heart_rate"),
    ("spo2", 150456, "SpO2", 262688, "spo2"),
    ("pulse", 149530, "Pulse", 264864, "heart_rate"),
    ("rr", 151562, "RR", 264928, "resp_rate"),
    ("temp", 150344, "Temp", 268192, "temperature"),
)
_WAVES = (("ecg", 131330, "ECG II", 266418), ("pleth", 150452, "Pleth", 262656))
_MESSAGE = "http://standards.ieee.org/downloads/11073/11073-10207-2017/message"
_PARTICIPANT = "http://standards.ieee.org/downloads/11073/11073-10207-2017/participant"


def _type(tag: str, code: int, text: str = "") -> str:
    words = f'<pm:ConceptDescription Lang="en-US">{text}</pm:ConceptDescription>' if text else ""
    return f'<pm:{tag} Code="{code}">{words}</pm:{tag}>'


def _metrics() -> Iterator[str]:
    common = 'MetricCategory="Msrmt" MetricAvailability="Cont"'
    for handle, code, text, unit, _ in _NUMERICS:
        yield (
            f'<pm:Metric xsi:type="pm:NumericMetricDescriptor" Handle="{handle}" {common} '
            f'Resolution="0.1">{_type("Type", code, text)}{_type("Unit", unit)}</pm:Metric>'
        )
    for handle, code, text, unit in _WAVES:
        yield (
            f'<pm:Metric xsi:type="pm:RealTimeSampleArrayMetricDescriptor" Handle="{handle}" '
            f'{common} Resolution="0.001" SamplePeriod="PT{1 / RATES_HZ[handle]:g}S">'
            f"{_type('Type', code, text)}{_type('Unit', unit)}</pm:Metric>"
        )


def mdib_xml() -> bytes:
    """What the device is made of."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<msg:GetMdibResponse xmlns:msg="{_MESSAGE}" xmlns:pm="{_PARTICIPANT}"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" SequenceId="urn:uuid:{uuid.uuid4()}">
<msg:Mdib SequenceId="urn:uuid:{uuid.uuid4()}"><pm:MdDescription>
<pm:Mds Handle="mds">{_type("Type", 69965)}
<pm:AlertSystem Handle="alerts" SelfCheckPeriod="PT5S">{_type("Type", 69966)}
<pm:AlertCondition xsi:type="pm:AlertConditionDescriptor" Handle="alarm" Kind="Phy" Priority="Me">
{_type("Type", 196670, "SpO2 low")}<pm:Source>spo2</pm:Source></pm:AlertCondition></pm:AlertSystem>
<pm:SystemContext Handle="context"><pm:PatientContext Handle="patient"/>
<pm:LocationContext Handle="location"/></pm:SystemContext>
<pm:Vmd Handle="vmd">{_type("Type", 69686)}
<pm:Channel Handle="channel">{_type("Type", 69687)}{"".join(_metrics())}</pm:Channel></pm:Vmd>
</pm:Mds></pm:MdDescription><pm:MdState/></msg:Mdib></msg:GetMdibResponse>""".encode()


async def run_in(directory: Path, patient: Patient, faults: Faults, interface: str) -> None:
    """A new device with new certificates in `directory`, until cancelled."""
    logging.disable(logging.WARNING)  # the library tells of each consumer that went away
    tls = make_participants(directory, ("device", "box"))
    identity = f"urn:uuid:{uuid.uuid4()}"
    box = tls["box"]
    entry = (
        "[[vitals.monitor]]\nid = 'sdc'\nname = 'SDC'\nkind = 'sdc'\n"
        f"identity = '{identity}'\ninterface = '{interface}'\n"
        f"ca = '{box.ca}'\ncertificate = '{box.certificate}'\nprivate_key = '{box.private_key}'\n"
    )
    there = asyncio.Event()
    monitor = SdcMonitor(patient, faults, identity=identity, interface=interface, tls=tls["device"])
    async with asyncio.TaskGroup() as group:
        group.create_task(monitor.run(there))
        await there.wait()
        (directory / "monitor.toml.new").write_text(entry)
        (directory / "monitor.toml.new").rename(directory / "monitor.toml")


class SdcMonitor:
    """One device."""

    def __init__(
        self, patient: Patient, faults: Faults, *, identity: str, interface: str, tls: TlsFiles
    ):
        """`identity`: urn:uuid:...; `interface`: the address it is on."""
        self.patient = patient
        self.faults = faults
        self._identity = uuid.UUID(identity.removeprefix("urn:uuid:"))
        self._interface = interface
        self._tls = tls
        self._alarm = ""
        self._until_utc = 0.0
        self._ticks = 0
        self._discovery: Any = None
        self._mdib: Any = None
        self._provider: Any = None

    async def run(self, there: asyncio.Event) -> None:
        """Until cancelled; its threads are gone by then. `there` is set when it can be found."""
        await asyncio.to_thread(self._start)
        there.set()
        try:
            while True:
                await asyncio.to_thread(self._tick)
                await asyncio.sleep(TICK_S)
        finally:
            await asyncio.shield(asyncio.to_thread(self._stop))

    def _start(self) -> None:
        self._alarm = ""
        self._until_utc = time.time()
        self._mdib = ProviderMdib.from_string(mdib_xml())
        self._discovery = WSDiscovery(self._interface)
        self._discovery.start()
        self._provider = SdcProvider(
            self._discovery,
            ThisModelType(
                manufacturer="Edgebox",
                manufacturer_url="https://example.org",
                model_name="Simulated SDC",
                model_number="1",
                model_url="https://example.org",
                presentation_url="https://example.org",
            ),
            ThisDeviceType(friendly_name="SIM", firmware_version="1", serial_number="1"),
            self._mdib,
            epr=self._identity,
            ssl_context_container=_contexts(self._tls),
        )
        self._provider.start_all(start_rtsample_loop=False)
        self._provider.publish()

    def _stop(self) -> None:
        self._provider.stop_all(send_subscription_end=True)
        self._discovery.stop()

    def _tick(self) -> None:
        faults = self.faults
        if faults.reboot:
            faults.reboot = False
            self._stop()
            self._start()
        now_utc = time.time()
        if faults.is_silent(time.monotonic()):
            self._until_utc = now_utc
            return
        if self._ticks % NUMERICS_EVERY == 0:
            self._send_values(now_utc)
            self._send_alarm()
        self._send_waves(now_utc)
        self._ticks += 1

    def _send_values(self, now_utc: float) -> None:
        with self._mdib.metric_state_transaction(set_determination_time=False) as changes:
            for handle, _, _, _, what in _NUMERICS:
                state = changes.get_state(handle)
                value = Decimal(str(getattr(self.patient, what)))
                self._fill(state, now_utc).Value = None if self.faults.lead_off else value

    def _send_waves(self, now_utc: float) -> None:
        start_utc, self._until_utc = self._until_utc, now_utc
        with self._mdib.rt_sample_state_transaction() as changes:
            for handle, read in (("ecg", self._ecg), ("pleth", self.patient.pleth)):
                rate_hz = RATES_HZ[handle]
                first, end = (round(at * rate_hz) for at in (start_utc, now_utc))
                value = self._fill(changes.get_state(handle), first / rate_hz)
                value.Samples = [Decimal(f"{read(n / rate_hz):.3f}") for n in range(first, end)]

    def _ecg(self, at_s: float) -> float:
        return self.patient.ecg_mv("II", at_s)

    def _fill(self, state: Any, at_utc: float) -> Any:
        """Activation, validity and time of a state; its value for the rest."""
        if state.MetricValue is None:
            state.mk_metric_value()
        state.ActivationState = pm_types.ComponentActivation.ON
        validity = pm_types.MeasurementValidity
        mode = pm_types.GenerationMode
        quality = state.MetricValue.MetricQuality
        quality.Validity = validity.NA if self.faults.lead_off else validity.VALID
        quality.Mode = mode.DEMO if self.faults.demo else mode.REAL
        state.MetricValue.DeterminationTime = round(at_utc + self.faults.clock_s, 3)
        return state.MetricValue

    def _send_alarm(self) -> None:
        if self.faults.alarms and self.faults.alarms[0] != self._alarm:
            self._alarm = self.faults.alarms[0]
            with self._mdib.descriptor_transaction() as changes:
                text = pm_types.LocalizedText(self._alarm, lang="en-US")
                changes.get_descriptor("alarm").Type.ConceptDescription = [text]
        with self._mdib.alert_state_transaction() as changes:
            state = changes.get_state("alarm")
            state.ActivationState = pm_types.AlertActivation.ON
            state.Presence = bool(self.faults.alarms)


def _contexts(tls: TlsFiles) -> SSLContextContainer:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    for one in (client, server):
        one.verify_mode = ssl.CERT_REQUIRED
        one.load_verify_locations(tls.ca)
        one.load_cert_chain(tls.certificate, tls.private_key)
    return SSLContextContainer(client, server)
