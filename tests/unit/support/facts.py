"""Facts of a healthy box for every check, and one fault after the other put into them."""

from typing import Any

from msgspec.structs import replace

from edgebox.host.rauc import Slot
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import CameraStatus, SoundStatus
from edgebox.messages.vehicle import Modem
from edgebox.messages.vitals import MonitorStatus, VitalsStatus, VitalsStoreStatus
from edgebox.support.checks import (
    bond,
    broker,
    camera,
    certificate,
    clock,
    configuration,
    disk_health,
    disk_space,
    gnss,
    headset,
    hub,
    link,
    memory,
    modem,
    monitor,
    power,
    service,
    sound,
    storage,
    temperature,
    turn,
    unit,
    update,
)

NOW = 1_795_500_000.0
DAY_S = 86_400.0


def a_link(**change: Any) -> LinkStatus:
    one = LinkStatus(
        name="lte-1", label="Telenor", state="up", since_utc=NOW - 600, rtt_ms=45.0, queue_ms=5.0,
        loss=0.01, capacity_bps=4_000_000, sent_bps=20_000, received_bps=20_000,
        measured_utc=NOW - 60,
    )  # fmt: skip
    return replace(one, **change)


def a_bond(*links: LinkStatus, **change: Any) -> BondStatus:
    links = links or (a_link(), a_link(name="lte-2", label="Telia"))
    one = BondStatus(
        at_utc=NOW, state="up", since_utc=NOW - 600, links=links,
        capacity_bps=sum(each.capacity_bps for each in links), target_bps=3_000_000, rtt_ms=45.0,
        redundancy=0.0, counters=BondCounters(),
    )  # fmt: skip
    return replace(one, **change)


def a_modem(**change: Any) -> Modem:
    one = Modem(
        interface="wwan0", state="connected", operator="Telenor", generation="5G", signal=61
    )
    return replace(one, **change)


def a_camera(**change: Any) -> CameraStatus:
    one = CameraStatus(
        id="c1", name="Båre", kind="v4l2", state="ready", since_utc=NOW - 600, width=1280,
        height=720, fps=25.0,
    )  # fmt: skip
    return replace(one, **change)


def a_monitor(**change: Any) -> VitalsStatus:
    one = MonitorStatus(
        id="m1", name="Corpuls", kind="hl7", state="connected", since_utc=NOW, stale_after_s=10.0
    )
    return VitalsStatus(
        at_utc=NOW,
        monitors=(replace(one, **change),),
        store=VitalsStoreStatus(used_bytes=1_000, limit_bytes=512_000_000),
    )


def services(**states: Any) -> service.Facts:
    names: tuple[Any, ...] = (*service.EXPECTED, "support")
    found = {
        name: ServiceStatus(
            service=name, instance="i", state=states.get(name, "running"), since_utc=NOW
        )
        for name in names
        if states.get(name, "running") != "never"
    }
    return service.Facts(broker=True, services=found)


def paper(**change: Any) -> certificate.Paper:
    values: dict[str, Any] = {
        "name": "device", "common_name": "box-7", "from_utc": NOW - 30 * DAY_S,
        "until_utc": NOW + 360 * DAY_S, **change,
    }  # fmt: skip
    return certificate.Paper(**values)


def papers(**change: Any) -> certificate.Facts:
    authority = paper(
        name="authority", is_authority=True, common_name="fleet", until_utc=NOW + 3000 * DAY_S
    )
    return certificate.Facts("box-7", (authority, paper(**change)))


GB = 1_000_000_000
ROOM = disk_space.Room("/", 16 * GB, 9 * GB, 1_000_000, 800_000)
FLASH = disk_health.Flash("mmcblk0", 0x02, 0x01)
SLOTS = (Slot("rootfs.0", "A", True, "good"), Slot("rootfs.1", "B", False, "good"))
TURNED = turn.Facts("up", "returned", 0, 0.12, True, "127.0.0.1:3478")
RADIO = headset.Facts(True, "wlan0", "up", True, True)

HEALTHY: dict[str, Any] = {
    "power": power.Facts(False, 0),
    "temperature": temperature.Facts((("cpu-thermal", 51.2),)),
    "storage": storage.Facts("good"),
    "configuration": configuration.Facts(()),
    "disk-space": disk_space.Facts((ROOM,)),
    "disk-health": disk_health.Facts(flash=(FLASH,), errors=(("mmcblk0p2", 0),), mounted=20),
    "memory": memory.Facts(4_000_000, 2_900_000, 0),
    "clock": clock.Facts(True, "chrony, 10.0.0.1, off by 0.001 s", 0.03, 0.04),
    "update": update.Facts(SLOTS, "rootfs.0"),
    "unit": unit.Facts((), {"edgebox-media.service": 0}),
    "service": services(),
    "broker": broker.Facts("/run/edgebox/bus.sock", 0.004),
    "certificate": papers(),
    "modem": modem.Facts((a_modem(),), {"wwan0": "Telenor"}),
    "link": link.Facts(a_bond()),
    "bond": bond.Facts(True, a_bond()),
    "turn": TURNED,
    "hub": hub.Facts(True, True, "up", 0.08),
    "camera": camera.Facts((a_camera(),), {"c1": 25.0}),
    "sound": sound.Facts(SoundStatus(microphone="ready", loudspeaker="ready")),
    "monitor": monitor.Facts(a_monitor(), 1, {}),
    "headset": RADIO,
    "gnss": gnss.Facts(True, 1, 5, 3, 11, 8),
}


def disk(**change: Any) -> disk_health.Facts:
    return disk_health.Facts(mounted=20, **change)


def modems(**change: Any) -> modem.Facts:
    return modem.Facts((a_modem(**change),), {"wwan0": "Telenor"})


def cameras(**change: Any) -> camera.Facts:
    return camera.Facts((a_camera(**change),), {"c1": 25.0})


def sounds(**change: Any) -> sound.Facts:
    return sound.Facts(SoundStatus(**{"microphone": "ready", "loudspeaker": "ready", **change}))


def link_of(**change: Any) -> link.Facts:
    return link.Facts(a_bond(a_link(), a_link(name="lte-2", label="Telia", **change)))


def full(free: int, files: int) -> disk_space.Facts:
    return disk_space.Facts((ROOM, disk_space.Room("/var/lib", 100 * GB, free, 1_000_000, files)))


def offset(ahead_s: float | None, synchronised: bool | None = True) -> clock.Facts:
    return clock.Facts(synchronised, "no time source known", ahead_s, 0.05)


def slots(a: str, b: str, primary: str = "rootfs.0") -> update.Facts:
    found = (Slot("rootfs.0", "A", True, a), Slot("rootfs.1", "B", False, b))
    return update.Facts(found, primary)


VITALS_FULL = VitalsStatus(at_utc=NOW, store=VitalsStoreStatus(used_bytes=95, limit_bytes=100))
VITALS_FAILED = VitalsStatus(at_utc=NOW, store=VitalsStoreStatus(failed="disk I/O error"))

FAULTS: tuple[tuple[str, str, Any], ...] = (
    ("fault", "power.low", power.Facts(True, None)),
    ("fault", "power.low", power.Facts(None, 0x50005)),
    ("attention", "power.dipped", power.Facts(False, 0x50000)),
    ("attention", "power.slowed", power.Facts(None, 0x4)),
    ("fault", "temperature.hot", temperature.Facts((("a", 20.0), ("cpu", 88.0)))),
    ("attention", "temperature.warm", temperature.Facts((("cpu", 79.0),))),
    ("fault", "storage.lost", storage.Facts("damaged")),
    ("attention", "configuration.refused", configuration.Facts(("edgebox.toml: line 3",))),
    ("fault", "disk-space.full", full(GB, 900_000)),
    ("fault", "disk-space.full", full(90 * GB, 10)),
    ("attention", "disk-space.little", full(5 * GB, 900_000)),
    ("fault", "disk-health.read-only", disk(read_only=("/var/lib/edgebox",))),
    ("attention", "disk-health.errors", disk(errors=(("sda1", 3),))),
    ("fault", "disk-health.worn-out", disk(flash=(disk_health.Flash("mmcblk0", 0x0B, 1),))),
    ("fault", "disk-health.worn-out", disk(flash=(disk_health.Flash("mmcblk0", 2, 3),))),
    ("attention", "disk-health.worn", disk(flash=(disk_health.Flash("mmcblk0", 9, 1),))),
    ("fault", "disk-health.failing", disk(smart=(disk_health.Smart("nvme0", False, 3),))),
    ("attention", "disk-health.worn", disk(smart=(disk_health.Smart("nvme0", True, 91),))),
    ("fault", "memory.none", memory.Facts(4_000_000, 50_000, 0)),
    ("attention", "memory.little", memory.Facts(4_000_000, 300_000, 0)),
    ("attention", "memory.killed", memory.Facts(4_000_000, 2_000_000, 2)),
    ("fault", "clock.wrong", offset(-86_400.0)),
    ("attention", "clock.off", offset(5.0)),
    ("attention", "clock.unsynchronised", offset(None, False)),
    ("attention", "update.unconfirmed", slots("bad", "good")),
    ("attention", "update.no-way-back", slots("good", "bad")),
    ("attention", "update.other-next", slots("good", "good", "rootfs.1")),
    ("fault", "unit.failed", unit.Facts(("edgebox-media.service",), {})),
    ("attention", "unit.failed", unit.Facts(("apt-daily.service",), {})),
    ("attention", "unit.restarts", unit.Facts((), {"edgebox-media.service": 9})),
    ("fault", "service.stopped", services(media="stopped")),
    ("fault", "service.stopped", services(bond="never")),
    ("attention", "service.stopped", services(vehicle="stopped")),
    ("attention", "service.degraded", services(vitals="degraded")),
    ("fault", "broker.away", broker.Facts("/run/edgebox/bus.sock", None)),
    ("attention", "broker.slow", broker.Facts("/run/edgebox/bus.sock", 2.5)),
    ("fault", "certificate.expired", papers(until_utc=NOW - 1)),
    ("fault", "certificate.early", papers(from_utc=NOW + 60)),
    ("fault", "certificate.not-enrolled", papers(from_utc=None, trouble="missing")),
    ("fault", "certificate.damaged", papers(from_utc=None, trouble="damaged")),
    (
        "fault",
        "certificate.missing",
        certificate.Facts("b", (paper(name="authority", from_utc=None, trouble="missing"),)),
    ),
    ("fault", "certificate.last-days", papers(until_utc=NOW + 2 * DAY_S)),
    ("fault", "certificate.wrong-name", papers(common_name="box-8")),
    ("attention", "certificate.old", papers(from_utc=NOW - 400 * DAY_S)),
    ("attention", "modem.no-sim", modems(state="failed", detail="no SIM card")),
    ("attention", "modem.failed", modems(state="failed", detail="unknown modem")),
    ("attention", "modem.locked", modems(state="locked", detail="SIM PIN")),
    ("attention", "modem.off", modems(state="off")),
    ("attention", "modem.denied", modems(state="searching", detail="registration denied")),
    ("attention", "modem.no-network", modems(state="searching")),
    ("attention", "modem.no-data", modems(state="registered")),
    ("attention", "modem.weak", modems(signal=9)),
    ("attention", "modem.missing", modem.Facts((), {"wwan1": "Telia"})),
    ("attention", "link.down", link_of(state="down", rtt_ms=None)),
    ("attention", "link.absent", link_of(state="absent")),
    ("attention", "link.spent", link_of(use="closed")),
    ("attention", "link.poor", link_of(loss=0.4)),
    ("fault", "bond.away", bond.Facts(True, None)),
    ("fault", "bond.no-keys", bond.Facts(True, a_bond(state="connecting"))),
    ("fault", "bond.down", bond.Facts(True, a_bond(a_link(state="down"), state="down"))),
    ("attention", "bond.slow", bond.Facts(True, a_bond(rtt_ms=900.0))),
    ("attention", "bond.little", bond.Facts(True, a_bond(a_link(capacity_bps=200_000)))),
    ("fault", "turn.no-answer", turn.Facts("up", "asking", 0, 3.0, True, "127.0.0.1:3478")),
    ("fault", "turn.refused", turn.Facts("up", "refused", 401, 0.1, True, "127.0.0.1:3478")),
    ("attention", "turn.slow", turn.Facts("up", "returned", 0, 2.0, True, "127.0.0.1:3478")),
    ("fault", "hub.away", hub.Facts(True, False, "up", None)),
    ("attention", "hub.slow", hub.Facts(True, True, "up", 3.0)),
    ("fault", "hub.doubled", hub.Facts(True, True, "up", 0.1, doubled=True)),
    ("fault", "camera.absent-usb", cameras(state="absent")),
    ("fault", "camera.absent-network", cameras(state="absent", kind="rtsp")),
    ("fault", "camera.failed-inside", cameras(state="failed", kind="picamera")),
    ("fault", "camera.failed-usb", cameras(state="starting", since_utc=NOW - 60)),
    ("attention", "camera.slow", cameras(fps=8.0)),
    ("fault", "sound.absent-microphone", sounds(microphone="absent")),
    ("fault", "sound.failed-loudspeaker", sounds(loudspeaker="failed")),
    ("attention", "monitor.no-port", monitor.Facts(a_monitor(), 1, {"m1": "/dev/ttyUSB0"})),
    ("attention", "monitor.unreadable", monitor.Facts(a_monitor(state="wrong-speed"), 1, {})),
    ("attention", "monitor.two", monitor.Facts(a_monitor(state="two-on-one-line"), 1, {})),
    ("attention", "monitor.demo", monitor.Facts(a_monitor(demo=True), 1, {})),
    ("attention", "monitor.clock", monitor.Facts(a_monitor(clock_ahead_s=-4000.0), 1, {})),
    ("fault", "monitor.store", monitor.Facts(VITALS_FAILED, 1, {})),
    ("attention", "monitor.store-full", monitor.Facts(VITALS_FULL, 1, {})),
    ("attention", "headset.no-radio", headset.Facts(True, "wlan0", "", None, False)),
    ("attention", "headset.radio-off", headset.Facts(True, "wlan0", "down", False, False)),
    ("attention", "headset.no-door", headset.Facts(True, "wlan0", "up", True, False)),
    ("attention", "gnss.no-gpsd", gnss.Facts(True)),
    ("attention", "gnss.no-receiver", gnss.Facts(True, 0)),
    ("attention", "gnss.silent", gnss.Facts(True, 1)),
)  # fmt: skip
"""Grade, code and the facts that must lead to them."""
