"""From the last byte of a monitor to the number on the page: `python -m bench.vitals_latency`.

The whole demo on this machine: three simulated links, broker, hub, coturn and Chromium. A simulated
monitor says a new heart rate each time; the page notes when it stands there. One clock for both.
"""

import argparse
import asyncio
import time

from bench.report import machine, percentile, table
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.ports import LOOPBACK, free_port
from tests.demo import chromium, demo, until_true
from tests.integration.test_vitals_live import join
from tests.integration.test_vitals_protocols import configure

EVERY_S = 0.83
"""Not in step with anything of ours."""
FIRST_RATE, RATES = 100, 150
HEART_RATE = "#monitor-latency li[data-name='MDC_ECG_HEART_RATE'] b"
WATCH_JS = """(selector) => {
  window.__shown = {};
  const look = () => {
    const text = document.querySelector(selector)?.innerText;
    if (text) window.__shown[text] ??= performance.timeOrigin + performance.now();
  };
  new MutationObserver(look).observe(document.body,
    {subtree: true, childList: true, characterData: true});
}"""


async def _talk(port: int, count: int) -> dict[str, float]:
    """Say so many heart rates; when the last byte of each left, in wall seconds."""
    patient, sent = Patient(), {}
    monitor = Hl7Monitor(patient, Faults(), waves=False)
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    for n in range(count):
        patient.heart_rate = float(FIRST_RATE + n % RATES)
        message = monitor.message(time.time())
        sent[f"{patient.heart_rate:g}"] = time.time()
        writer.write(message)
        await reader.readuntil(b"\x1c\r")
        await asyncio.sleep(EVERY_S)
    writer.close()
    await writer.wait_closed()
    return sent


async def measure(count: int) -> list[list[str]]:
    """Rows of a table."""
    port = free_port()
    entry = (
        "[[vitals.monitor]]\nid = 'latency'\nname = 'M'\nkind = 'hl7'\n"
        f"listen = '{LOOPBACK}:{port}'\nallow = ['{LOOPBACK}']\n"
    )
    async with demo() as running, chromium() as browser:
        configure(running, entry)
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        doctor = await join(browser, running.room, "Kari Berg")
        await panel.click("#start")
        await until_true(doctor, "edgebox.connected", 40)
        await asyncio.sleep(5)
        await doctor.evaluate(WATCH_JS, HEART_RATE)
        sent = await _talk(port, count)
        await asyncio.sleep(3)
        shown = await doctor.evaluate("window.__shown")
    late = [shown[rate] / 1000 - at for rate, at in sent.items() if rate in shown]
    return [
        ["values said", f"{len(sent)}"],
        ["values that stood on the page", f"{len(late)}"],
        ["last byte to page, median", f"{1000 * percentile(late, 0.5):.0f} ms"],
        ["last byte to page, 95 of 100", f"{1000 * percentile(late, 0.95):.0f} ms"],
        ["last byte to page, most", f"{1000 * max(late):.0f} ms"],
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--values", type=int, default=100, choices=range(2, RATES + 1))
    options = parser.parse_args()
    print(machine())
    print()
    print(table(["monitor to page", ""], asyncio.run(measure(options.values))))


if __name__ == "__main__":
    main()
