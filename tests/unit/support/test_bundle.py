"""The bundle of a box whose every source holds a secret of each kind: none is in the archive."""

import io
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.box import Box
from edgebox.config.media import Camera, Media
from edgebox.config.support import Support
from edgebox.config.vehicle import Sms
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus
from edgebox.messages.selftest import Finding, SelfTest
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import Admitted, CameraStatus, MediaSession, Watcher
from edgebox.messages.vehicle import Modem, Modems
from edgebox.messages.vitals import MonitorStatus, VitalsStatus
from edgebox.support import sources
from edgebox.support.bundle import make_bundle
from edgebox.support.heard import Heard
from edgebox.support.history import History, LinkMinute
from edgebox.support.surroundings import Surroundings
from tests.unit.support import planted

HIDDEN = " ".join(planted.SENTENCES)[:190]


def heard() -> Heard:
    now_utc = time.time()
    one = Heard()
    one.broker = True
    for name in ("bond", "media"):
        status = ServiceStatus(
            service=name,
            instance="i",
            state="degraded",
            since_utc=now_utc,
            detail=HIDDEN,
        )
        one.receive_service(status)
    camera = CameraStatus(
        id="c", name=planted.KNOWN_NAME, kind="rtsp", state="failed", since_utc=0, detail=HIDDEN
    )
    watcher = Watcher(
        peer="p", name=planted.KNOWN_NAME, role="doctor", state="connected", since_utc=0
    )
    one.receive_session(
        MediaSession(
            id=planted.SESSION,
            state="live",
            since_utc=now_utc,
            instance="i",
            cameras=(camera,),
            sent=("c",),
            watchers=(watcher,),
            admitted=(Admitted(participant="p", role="doctor", name=planted.KNOWN_NAME),),
            focus_by=planted.KNOWN_NAME,
        )
    )
    link = LinkStatus(
        name="lte-1", label=planted.PHONE, state="up", since_utc=now_utc, rtt_ms=38.5,
        queue_ms=1.0, loss=0.0, capacity_bps=41_234_567, sent_bps=1, received_bps=1,
    )  # fmt: skip
    one.receive_bond(
        BondStatus(
            at_utc=now_utc, state="up", since_utc=now_utc, links=(link,), capacity_bps=1,
            target_bps=1, rtt_ms=1.0, redundancy=0.0, counters=BondCounters(), problem=HIDDEN,
        )
    )  # fmt: skip
    one.receive_modems(Modems(modems=(Modem(interface="w", state="failed", detail=HIDDEN),)))
    monitor = MonitorStatus(
        id="m", name="Monitor", kind="hl7", state="connected", since_utc=0, stale_after_s=1,
        detail=HIDDEN,
    )  # fmt: skip
    one.receive_vitals(VitalsStatus(at_utc=now_utc, monitors=(monitor,)))
    return one


def history(path: Path) -> History:
    one = History(path)
    finding = Finding(
        check="camera", grade="fault", code="camera.slow", at_utc=1.0,
        subject=planted.KNOWN_NAME, measured=HIDDEN, look_at=f"call {planted.PHONE}",
    )  # fmt: skip
    test = SelfTest(
        id="t", state="done", reason="boot", started_utc=1.0, findings=(finding,), grade="fault"
    )
    one.keep_test(test, "boot")
    one.keep_links(
        [LinkMinute(at_utc=time.time(), name="lte-1", state="up", rtt_ms=38.0, loss=0.0,
                    sent_bps=12_345_678, received_bps=1, capacity_bps=1, signal=50)]
    )  # fmt: skip
    return one


def box(tmp_path: Path) -> Surroundings:
    """Every program says it all, every file holds it all."""
    root, programs = tmp_path / "root", tmp_path / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "all.txt").write_text(planted.text())
    (tmp_path / "sms-token").write_text(planted.KNOWN_SECRET)
    for words in (*sources.PROGRAMS.values(), ("journalctl",)):
        program = programs / words[0]
        program.write_text(f"#!/bin/sh\nexec /bin/cat {tmp_path}/all.txt\n")
        program.chmod(0o755)
    for name in (*sources.FILES.values(), "/sys/class/thermal/thermal_zone0/temp"):
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(planted.text())
    (root / "run/systemd/system").mkdir(parents=True)
    config = Config(
        box=Box(id="b1", vehicle=f"Ambulanse {planted.PHONE}"),
        media=Media(
            camera=(
                Camera(id="c", name=planted.PHONE, kind="rtsp",
                       source="rtsp://admin:kamera99@10.64.3.9/stream1?profile=2"),
            )
        ),
        sms=Sms(
            text=f"ring {planted.PHONE}: {{url}}",
            gateway_url=f"https://sms.example/{planted.TOKEN}",
            gateway_secret="sms-token",
            gateway_body=f'{{"key": "{planted.TOKEN}", "to": "{{phone}}"}}',
        ),
        support=Support(store="support.db"),
        directory=str(tmp_path),
    )  # fmt: skip
    return Surroundings(config, Bus("/nowhere", "test"), heard(), root, str(programs))


def read(bundle: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        found = {}
        for entry in archive.getmembers():
            file = archive.extractfile(entry)
            assert file is not None
            found[entry.name] = file.read().decode()
    return found


async def test_nothing_planted_is_in_it(tmp_path: Path) -> None:
    here, kept = box(tmp_path), history(tmp_path / "support.db")
    content = read(await make_bundle(here, kept))
    kept.close()
    assert set(content) >= {
        *(f"edgebox/system/{name}.txt" for name in (*sources.PROGRAMS, *sources.FILES)),
        *(f"edgebox/logs/{name}.txt" for name in (*sources.UNITS, "kernel")),
    }
    for name, text in content.items():
        assert planted.found_in(text) == [], name
        assert planted.STRANGER not in text or "/logs/" not in name
    assert '"capacity_bps": 41234567' in content["edgebox/state.json"]
    assert "12345678" in content["edgebox/links.csv"]
    assert 'kind = "rtsp"' in content["edgebox/config.toml"]
    assert msgspec.json.decode(content["edgebox/selftest.json"])[0]["grade"] == "fault"
    assert msgspec.json.decode(content["edgebox/about.json"])["missing"] == {}


async def test_what_hangs_floods_or_is_missing_costs_its_own_part_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, kept = box(tmp_path), history(tmp_path / "support.db")
    monkeypatch.setattr(sources, "PROGRAM_S", 0.5)
    bodies = {
        "lsusb": "exec sleep 60",
        "journalctl": "exec tr '\\0' x </dev/zero",
        "dpkg-query": "head -c 100000 /dev/urandom; echo; echo the end",
        "uptime": "kill -9 $$",
    }
    for name, body in bodies.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
    (tmp_path / "bin" / "mmcli").unlink()
    began_at = time.monotonic()
    bundle = await make_bundle(here, kept)
    kept.close()
    assert time.monotonic() - began_at < 20
    assert len(bundle) < 2_000_000
    content = read(bundle)
    missing: dict[str, Any] = msgspec.json.decode(content["edgebox/about.json"])["missing"]
    assert set(missing) == {"system/usb.txt", "system/modems.txt"}
    assert content["edgebox/system/packages.txt"].rstrip().endswith("the end")
    assert len(content["edgebox/logs/kernel.txt"]) < 1000


async def test_logs_are_files_where_there_is_no_journal(tmp_path: Path) -> None:
    here, kept = box(tmp_path), history(tmp_path / "support.db")
    (tmp_path / "root/run/systemd/system").rmdir()
    line = "18:47:59 bond INFO link lte-1 up\n"
    (tmp_path / "bond.log").write_bytes(os.urandom(700_000) + b"\n" + line.encode())
    content = read(await make_bundle(here, kept))
    kept.close()
    assert content["edgebox/logs/bond.txt"].endswith(line)
    assert len(content["edgebox/logs/bond.txt"].encode()) < 2_000_000
