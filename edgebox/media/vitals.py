"""Values and waves of the patient monitors on their way to those who may have them. No I/O.

Values are sent as they stand, never queued: a page that takes little gets the newest, later. Waves
are sent as they come or not at all. Nothing is worked out; what the monitor marked stays marked.
"""

from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

import msgspec

from edgebox.media.channel import Channel
from edgebox.media.data_messages import Monitors, Values, WaveBlock
from edgebox.messages.session import Admitted
from edgebox.messages.vitals import VitalsNow, VitalsStatus
from edgebox.observation import Wave, unpack, unpack_samples

WAVES_MAX = 4
"""To each person; so many can be read beside a picture."""
WAVES_FROM_BPS, ALL_WAVES_FROM_BPS = 250_000, 500_000
"""Below the first no waves, below the second one: pictures and values need the links more."""
SELDOM_BELOW_BPS, SELDOM_S = 250_000, 3.0
"""Values go less often over links that are this poor."""
BLOCK_SAMPLES = 200
"""So a block is one datagram: a lost one takes no others with it."""
FORGET_WAVE_S = 10.0
FIRST_WAVES = (
    "MDC_ECG_ELEC_POTL_II",
    "MDC_PULS_OXIM_PLETH",
    "MDC_AWAY_CO2",
    "MDC_PRESS_BLD_ART",
    "MDC_RESP",
)
"""Sent before others; after them what begins like one of them."""


class _Told(msgspec.Struct):
    """What one page was sent."""

    values: int = -1
    monitors: int = -1
    at: float = float("-inf")


class VitalsRelay:
    """Of the media service; told the time."""

    def __init__(
        self, channels: Callable[[], Iterable[Channel]], is_admitted: Callable[[Admitted], bool]
    ):
        """`is_admitted`: does the crew let this person have what their role may have, now?"""
        self._channels = channels
        self._is_admitted = is_admitted
        self._now = VitalsNow(at_utc=0.0)
        self._status = VitalsStatus(at_utc=0.0)
        self._values, self._monitors = 0, 0
        self._told: WeakKeyDictionary[Channel, _Told] = WeakKeyDictionary()
        self._waves: dict[tuple[str, str, str, str], float] = {}
        self._total_bps = 0
        self._sent_bytes = 0
        self._measured_at = 0.0
        self.sent_bps = 0
        """Of the time between the last two calls of `check`."""

    def take_now(self, now: VitalsNow) -> None:
        """The newest values."""
        self._now = now
        self._values += 1

    def take_status(self, status: VitalsStatus) -> None:
        """How the monitors are."""
        self._status = status
        self._monitors += 1

    def check(self, total_bps: int, now: float) -> None:
        """About once a second. `total_bps`: what may be sent, all together."""
        self._total_bps = total_bps
        elapsed_s = now - self._measured_at
        if elapsed_s > 0:
            self.sent_bps = int(self._sent_bytes * 8 / elapsed_s)
        self._sent_bytes, self._measured_at = 0, now
        self._waves = {k: at for k, at in self._waves.items() if now - at < FORGET_WAVE_S}

    def flush(self, now: float, now_utc: float) -> None:
        """Send everybody what they have not got yet. Call after `take_...`, and now and then."""
        seldom_s = SELDOM_S if self._total_bps < SELDOM_BELOW_BPS else 0.0
        for channel in self._entitled():
            told = self._told.setdefault(channel, _Told())
            if now - told.at < seldom_s:
                continue
            if told.monitors != self._monitors and self._send(
                channel, Monitors(at_utc=now_utc, monitors=self._status.monitors)
            ):
                told.monitors, told.at = self._monitors, now
            if told.values != self._values and self._send(channel, self._values_at(now_utc)):
                told.values, told.at = self._values, now

    def take_live(self, content: bytes, now: float) -> None:
        """What was stored just now. Raises RemoteProtocolError if it is none of ours."""
        receivers = [one for one in self._entitled() if one.takes_waves]
        if not receivers:
            return
        waves = [one for one in unpack(content) if isinstance(one, Wave)]
        for wave in waves:
            self._waves[_key(wave)] = now
        chosen = self._chosen()
        for wave in waves:
            if _key(wave) not in chosen:
                continue
            for block in blocks(wave):
                for channel in receivers:
                    self._send(channel, block)

    def _entitled(self) -> list[Channel]:
        return [
            one for one in self._channels() if one.rights.vitals and self._is_admitted(one.guest)
        ]

    def _values_at(self, now_utc: float) -> Values:
        return Values(at_utc=now_utc, numerics=self._now.numerics, alarms=self._now.alarms)

    def _chosen(self) -> frozenset[tuple[str, str, str, str]]:
        """The waves that are sent, by what the links carry."""
        count = WAVES_MAX if self._total_bps >= ALL_WAVES_FROM_BPS else 1
        if self._total_bps < WAVES_FROM_BPS:
            count = 0
        return frozenset(sorted(self._waves, key=_place)[:count])

    def _send(self, channel: Channel, message: Monitors | Values | WaveBlock) -> bool:
        count = channel.send_vitals(message)
        self._sent_bytes += count
        return count > 0


def blocks(wave: Wave) -> list[WaveBlock]:
    """The wave in pieces that fit into a datagram. Raises RemoteProtocolError."""
    samples = unpack_samples(wave.samples)
    return [
        WaveBlock(
            device=wave.device,
            name=wave.name,
            label=wave.label,
            channel=wave.channel,
            unit=wave.unit,
            validity=wave.validity,
            rate_hz=wave.rate_hz,
            scale=wave.scale,
            offset=wave.offset,
            first=wave.first + start,
            at_utc=wave.received_utc - max(0, len(samples) - start - BLOCK_SAMPLES) / wave.rate_hz,
            samples=tuple(samples[start : start + BLOCK_SAMPLES]),
        )
        for start in range(0, len(samples), BLOCK_SAMPLES)
    ]


def _key(wave: Wave) -> tuple[str, str, str, str]:
    return wave.name, wave.channel, wave.label, wave.device


def _place(key: tuple[str, str, str, str]) -> tuple[int, tuple[str, str, str, str]]:
    """Sorts what matters most to the front."""
    name = key[0]
    if name in FIRST_WAVES:
        return FIRST_WAVES.index(name), key
    kin = (len(FIRST_WAVES) + n for n, one in enumerate(FIRST_WAVES) if name[:12] == one[:12])
    return next(kin, 2 * len(FIRST_WAVES)), key
