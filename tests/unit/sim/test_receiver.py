"""The demo's satellite receiver is understood by the box's own reader."""

from edgebox.host.gpsd import GpsdProtocol
from edgebox.sim.receiver import REPORT_S, ROUND_S, report


def test_reports_are_a_round_trip_at_a_steady_pace() -> None:
    start, later, back = (
        GpsdProtocol().receive_data(report(1_000_000_000.25 + s))[0] for s in (0, REPORT_S, ROUND_S)
    )
    assert start.at_utc == 1_000_000_000.25
    assert (start.latitude_deg, start.longitude_deg) != (later.latitude_deg, later.longitude_deg)
    assert (start.latitude_deg, start.longitude_deg) == (back.latitude_deg, back.longitude_deg)
    assert start.speed_mps == 15.7
