"""Samples of waves in protocols that send text: whole numbers with a scale, numbered. No I/O."""

from collections.abc import Hashable, Sequence

from edgebox.errors import RemoteProtocolError

GAP_SAMPLE = 32767
"""Stands for no sample in IHE WCM and in monitors that send raw numbers."""
EXACT = 2**31
"""Samples are whole numbers below this, after scaling."""
WAVES_MAX = 1000
GAP_MAX = 2**40


def to_whole(
    raw: Sequence[float | None], resolution: float | None = None, gap: float = GAP_SAMPLE
) -> tuple[list[int | None], float]:
    """Whole numbers and the scale that makes values of them again. Raises RemoteProtocolError.

    `resolution`: what one step of `raw` is worth; None: `raw` holds the values themselves.
    """
    if any(one is not None and abs(one) >= EXACT for one in raw):
        raise RemoteProtocolError("a sample out of range")
    if resolution is not None and all(one is None or one.is_integer() for one in raw):
        gaps = {GAP_SAMPLE, gap}
        whole = [None if one is None or one in gaps else int(one) for one in raw]
        scale = resolution
    else:
        scale = next((10.0**-places for places in range(9) if _fits(raw, 10.0**places)), 10.0**-9)
        whole = [None if one is None or one == GAP_SAMPLE else round(one / scale) for one in raw]
        scale *= resolution if resolution is not None else 1.0
    if not 1e-12 < scale < 1e12 or any(one is not None and abs(one) >= EXACT for one in whole):
        raise RemoteProtocolError("a sample out of range")
    return whole, scale


def _fits(raw: Sequence[float | None], factor: float) -> bool:
    return all(one is None or abs(one * factor - round(one * factor)) < 1e-6 for one in raw)


class Numbering:
    """Numbers the samples of waves whose blocks say when they begin: what is missing is a jump."""

    def __init__(self) -> None:
        self._waves: dict[Hashable, tuple[float | None, int]] = {}
        """When the next sample is due by the monitor's clock, and its number."""

    def first(self, key: Hashable, start_utc: float | None, rate_hz: float, count: int) -> int:
        """Number of the first of `count` samples that begin at `start_utc`."""
        end_utc, following = self._waves.get(key, (None, 0))
        if len(self._waves) > WAVES_MAX:
            self._waves.clear()
        if start_utc is None:
            self._waves[key] = (None, following + count)
            return following
        if end_utc is not None and (missing := round((start_utc - end_utc) * rate_hz)) > 1:
            following += min(missing, GAP_MAX)
        self._waves[key] = (start_utc + count / rate_hz, following + count)
        return following
