"""Ports of the patient monitors: is the adapter there, is what comes readable, is it stored?

A monitor that is switched off or not connected is no fault: monitors are carried out to patients.
Nothing of what a monitor measured is read here.
"""

import time
from dataclasses import dataclass

from edgebox.messages.vitals import MonitorStatus, VitalsStatus
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

CLOCK_S = 300.0
STORE_SHARE = 0.9


@dataclass(frozen=True)
class Facts:
    """`ports_missing`: monitor's id -> its serial port that is not there."""

    status: VitalsStatus | None
    configured: int
    ports_missing: dict[str, str]


async def read(here: Surroundings) -> Facts:
    """What was heard, and whether the ports exist."""
    monitors = here.config.vitals.monitor
    missing = {one.id: one.port for one in monitors if one.port and not _exists(here, one.port)}
    return Facts(here.heard.vitals(time.time()), len(monitors), missing)


def _exists(here: Surroundings, port: str) -> bool:
    return here.path(port).exists()


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One for each monitor, and one for the store."""
    if not facts.configured:
        return (untested("absent", "no patient monitor is configured"),)
    if facts.status is None:
        return (untested("unheard", "the vitals service says nothing"),)
    monitors = [_judge_one(one, facts.ports_missing.get(one.id)) for one in facts.status.monitors]
    return (*monitors, _judge_store(facts.status))


def _judge_one(one: MonitorStatus, missing: str | None) -> Verdict:
    measured = f"{one.id} ({one.kind}) {one.state}, {one.damaged} damaged"
    if missing is not None:
        look_at = f"{missing} is not there: lsusb, ls /dev/serial/by-path; adapter and cable"
        return attention("no-port", measured, look_at, one.name)
    if one.state == "wrong-speed":
        look_at = one.detail or "baud and parity, at the monitor and in the configuration"
        return attention("unreadable", measured, look_at, one.name)
    if one.state == "two-on-one-line":
        return attention("two", measured, "two monitors share one line", one.name)
    if one.state != "connected":
        return untested("off", measured, one.name)
    if one.demo:
        return attention("demo", measured, "the monitor is in demonstration mode", one.name)
    if one.clock_ahead_s is not None and abs(one.clock_ahead_s) > CLOCK_S:
        ahead = f"{measured}, clock {one.clock_ahead_s:+.0f} s"
        return attention("clock", ahead, "the monitor's clock and its time zone here", one.name)
    return good(measured, one.name)


def _judge_store(status: VitalsStatus) -> Verdict:
    store = status.store
    measured = f"{store.used_bytes / 1e6:.0f} of {store.limit_bytes / 1e6:.0f} MB wait for the hub"
    if store.failed:
        return fault("store", store.failed, "the disk; journalctl -u edgebox-vitals")
    if store.limit_bytes and store.used_bytes > STORE_SHARE * store.limit_bytes:
        return attention("store-full", measured, "why does the hub not take them? links, hub")
    return good(measured)


MONITOR = Check("monitor", read, judge)
