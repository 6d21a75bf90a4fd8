"""Who gets values and waves, and what goes first when little goes."""

from typing import Any, get_args

import pytest

from edgebox.errors import RemoteProtocolError
from edgebox.media.channel import WAVES_WAITING_BYTES, Channel
from edgebox.media.conduct import Conduct
from edgebox.media.data_messages import LABEL, VITALS_LABEL, Moment
from edgebox.media.vitals import BLOCK_SAMPLES, SELDOM_S, VitalsRelay, blocks
from edgebox.messages.base import Role
from edgebox.messages.session import Admitted
from edgebox.messages.vitals import MonitorStatus, VitalsNow, VitalsStatus
from edgebox.observation import Numeric, Wave, pack, pack_samples
from edgebox.roles import RIGHTS
from tests.unit.media.test_guidance import Wire

UTC = 1_750_000_000.0
RICH_BPS = 2_000_000


def numeric(value: float = 72.0) -> Numeric:
    return Numeric(
        device="m", received_utc=UTC, source_utc=UTC, code=147842, name="MDC_ECG_HEART_RATE",
        unit="/min", value=value, validity="valid",
    )  # fmt: skip


def wave(name: str = "MDC_ECG_ELEC_POTL_II", count: int = 100, first: int = 0) -> Wave:
    return Wave(
        device="m", received_utc=UTC, source_utc=UTC, code=131330, name=name, unit="mV",
        rate_hz=100.0, scale=0.01, offset=0.0, first=first,
        samples=pack_samples([None, *range(count - 1)]), validity="valid",
    )  # fmt: skip


class Box:
    """A relay and its people; everybody who joins was let in."""

    def __init__(self, total_bps: int = RICH_BPS) -> None:
        self.channels: list[Channel] = []
        self.turned_away: set[str] = set()
        self.relay = VitalsRelay(
            lambda: self.channels, lambda guest: guest.participant not in self.turned_away
        )
        self.relay.check(total_bps, 0.0)
        self.relay.take_status(
            VitalsStatus(
                at_utc=UTC,
                monitors=(
                    MonitorStatus(
                        id="m", name="M", kind="hl7", state="connected", since_utc=UTC,
                        stale_after_s=10.0,
                    ),
                ),
            )
        )  # fmt: skip

    def join(self, role: Role = "doctor") -> tuple[Wire, Wire]:
        guest = Admitted(participant=role, role=role, name=role)
        channel = Channel(guest, Conduct(), tuple, lambda *_: None, lambda: None)
        values, waves = Wire(LABEL), Wire(VITALS_LABEL)
        channel.open(values)
        assert channel.open(waves) == RIGHTS[role].vitals
        self.channels.append(channel)
        return values, waves

    def value(self, value: float, now: float = 0.0) -> None:
        self.relay.take_now(VitalsNow(at_utc=UTC, numerics=(numeric(value),)))
        self.relay.flush(now, UTC + now)


def last_value(wire: Wire) -> Any:
    shown = [message for message in wire.sent if message["type"] == "Values"]
    return shown[-1]["numerics"][0][4] if shown else None


@pytest.mark.parametrize("role", get_args(Role))
def test_only_roles_with_the_right_get_anything(role: Role) -> None:
    box = Box()
    values, waves = box.join(role)
    box.value(72.0)
    box.relay.take_live(pack([wave()]), 0.0)
    assert bool(values.sent) == bool(waves.sent) == RIGHTS[role].vitals
    assert RIGHTS[role].vitals == (role in {"doctor", "observer"})


def test_a_person_who_was_put_out_gets_nothing_more() -> None:
    box = Box()
    values, waves = box.join()
    box.value(72.0)
    box.turned_away.add("doctor")
    count = len(values.sent)
    box.value(73.0)
    box.relay.take_live(pack([wave()]), 0.0)
    assert len(values.sent) == count
    assert not waves.sent


def test_a_newcomer_gets_what_there_is_and_nobody_gets_it_twice() -> None:
    box = Box()
    box.value(72.0)
    values, _ = box.join("observer")
    box.relay.flush(1.0, UTC + 1)
    box.relay.flush(2.0, UTC + 2)
    assert values.types() == ["Monitors", "Values"]
    assert values.sent[1]["at_utc"] == UTC + 1, "ages are counted from when it was sent"
    assert values.sent[1]["numerics"] == [
        ["Numeric", 147842, "MDC_ECG_HEART_RATE", "/min", 72.0, "valid", "", "", "", False, "m",
         UTC, UTC]
    ]  # fmt: skip


def test_a_slow_page_loses_waves_first_and_then_gets_the_newest_values() -> None:
    box = Box()
    values, waves = box.join()
    waves.bufferedAmount = WAVES_WAITING_BYTES + 1
    box.value(72.0)
    box.relay.take_live(pack([wave()]), 0.0)
    assert (last_value(values), waves.sent) == (72.0, [])
    values.bufferedAmount = 100_000
    for value in (73.0, 74.0, 75.0):
        box.value(value)
    assert last_value(values) == 72.0
    values.bufferedAmount = waves.bufferedAmount = 0
    box.relay.flush(1.0, UTC)
    assert last_value(values) == 75.0
    assert values.types().count("Values") == 2, "those in between are of no use to anybody"


def test_poor_links_carry_values_seldom_and_no_waves() -> None:
    box = Box(total_bps=60_000)
    values, waves = box.join()
    box.value(72.0, 0.0)
    box.value(73.0, 1.0)
    box.relay.take_live(pack([wave()]), 1.0)
    assert (last_value(values), waves.sent) == (72.0, [])
    box.relay.flush(SELDOM_S, UTC)
    assert last_value(values) == 73.0


@pytest.mark.parametrize(("total_bps", "count"), [(200_000, 0), (300_000, 1), (RICH_BPS, 4)])
def test_what_the_links_carry_says_how_many_waves(total_bps: int, count: int) -> None:
    box = Box(total_bps)
    _, waves = box.join()
    names = [
        "MDC_ECG_ELEC_POTL_V1", "MDC_ECG_ELEC_POTL_II", "MDC_RESP", "MDC_PULS_OXIM_PLETH",
        "MDC_AWAY_CO2",
    ]  # fmt: skip
    box.relay.take_live(pack([wave(name) for name in names]), 0.0)
    wanted = ["MDC_ECG_ELEC_POTL_II", "MDC_PULS_OXIM_PLETH", "MDC_AWAY_CO2", "MDC_RESP"]
    assert {block["name"] for block in waves.sent} == set(wanted[:count])


def test_a_long_wave_goes_in_pieces_that_join() -> None:
    pieces = blocks(wave(count=2 * BLOCK_SAMPLES + 50, first=1000))
    assert [len(one.samples) for one in pieces] == [BLOCK_SAMPLES, BLOCK_SAMPLES, 50]
    assert [one.first for one in pieces] == [1000, 1000 + BLOCK_SAMPLES, 1000 + 2 * BLOCK_SAMPLES]
    ends = [round(UTC - one.at_utc, 6) for one in pieces]
    assert ends == [2.5, 0.5, 0.0], "each has the time of its own last sample"
    assert pieces[0].samples[0] is None


def test_what_was_sent_is_known() -> None:
    box = Box()
    box.join()
    box.value(72.0)
    box.relay.check(RICH_BPS, 1.0)
    assert box.relay.sent_bps > 1000
    box.relay.check(RICH_BPS, 2.0)
    assert box.relay.sent_bps == 0


def test_what_is_no_batch_is_refused() -> None:
    box = Box()
    box.join()
    with pytest.raises(RemoteProtocolError):
        box.relay.take_live(b"x", 0.0)


@pytest.mark.parametrize("role", get_args(Role))
def test_the_moment_of_a_picture_goes_where_waves_go(role: Role) -> None:
    box = Box()
    values, waves = box.join(role)
    (channel,) = box.channels
    moment = Moment(camera="patient", rtp=4_294_967_295, at_utc=UTC)
    sent = channel.send_vitals(moment)
    assert bool(sent) == bool(waves.sent) == RIGHTS[role].vitals
    assert not values.sent
    assert not channel.sent_wave, "a moment is no wave"
    box.relay.take_live(pack([wave()]), 0.0)
    assert channel.sent_wave == RIGHTS[role].vitals
