"""Loss, round trip and jitter of one link: numbered probes, which the far end echoes on that link.

Probes are the lowest class there is: each goes only when no datagram waits and its link has room,
and together they take BUSY_SHARE of what the link carries while there are pictures or sound. They
want no acknowledgement, so the engine's estimates rest on what they rested on before.

An echo says how many probes had come until then. That tells loss upwards from loss downwards, and
needs neither the ends' clocks nor another link.
"""

import itertools
from collections.abc import Callable

from edgebox.bond.control import LinkEcho, LinkProbe
from edgebox.bond.path import Path, PathState
from edgebox.bond.sender import Sender
from edgebox.bond.wire import HEADER_SIZE, IP_UDP_SIZE, TAG_SIZE
from edgebox.messages.link_test import WhyNot

PROBES = 300
PROBE_S = 0.02
"""Between two."""
PROBE_BYTES = 100
"""Outer payload: small, as sound is, and no carrier drops it for being tiny."""
CHARGED_BYTES = PROBE_BYTES + IP_UDP_SIZE
IDLE_SHARE, BUSY_SHARE = 0.25, 0.02
PROBING_S = 7.0
SILENT_S = 3.0
"""No echo for so long though it was asked: the link is gone."""
LAST_S, LAST_MAX_S = 1.0, 2.5
"""The last echoes are waited for, or two round trips within this."""
RETRY_S = 0.005
LEAST_ECHOES = 10
"""Of fewer no share is told."""


class Echoes:
    """One test's. Call `handle_timeout` when it says so, until it says None."""

    def __init__(
        self,
        test: int,
        path: Path,
        sender: Sender,
        is_carrying: Callable[[float], bool],
        now: float,
    ):
        """`is_carrying`: pictures or sound go over the bond now."""
        self.why: WhyNot = ""
        """Why it ended early, or has nothing to tell."""
        self.sent = 0
        self.received = 0
        self._test = test
        self._path = path
        self._sender = sender
        self._is_carrying = is_carrying
        self._ends_at = now + PROBING_S
        self._next_at = now
        self._sent_at: dict[int, float] = {}
        """Of probes whose echo has not come."""
        self._last_sent_at = now
        self._unheard_since: float | None = None
        self._seen = 0
        self._highest = -1
        self._rtts_s: dict[int, float] = {}

    def handle_timeout(self, now: float) -> float | None:
        """Send what is due; when to be called again, None when it is over."""
        if self._is_gone(now):
            self.why = "silent" if self.received else "no-answer"
            return None
        if self.sent < PROBES and now < self._ends_at:
            if now >= self._next_at:
                self._next_at = self._send(now)
            return min(self._next_at, self._ends_at)
        last_s = max(LAST_S, min(LAST_MAX_S, 2 * self._path.estimate.srtt_s))
        waits_until = self._last_sent_at + last_s
        if self._sent_at and now < waits_until:
            return min(waits_until, now + PROBE_S)
        if self.received < LEAST_ECHOES:
            self.why = "little" if self.received or not self.sent else "no-answer"
        return None

    def stop(self, now: float) -> None:
        """It shall end now."""
        self.why = "stopped"

    def on_echo(self, echo: LinkEcho, now: float) -> None:
        """It came back."""
        sent_at = self._sent_at.pop(echo.number, None)
        if echo.test != self._test or sent_at is None:
            return
        self.received += 1
        self._unheard_since = None
        self._highest = max(self._highest, echo.number)
        self._seen = min(self._highest + 1, max(self._seen, echo.seen))
        self._rtts_s[echo.number] = now - sent_at

    # Figures

    @property
    def counted(self) -> int:
        """Probes until the last that is known to have arrived."""
        return self._highest + 1

    def losses(self) -> tuple[float, float] | None:
        """Up and down, 0 to 1; None: of too few."""
        if self.received < LEAST_ECHOES or self._seen < self.received:
            return None
        return 1 - self._seen / self.counted, 1 - self.received / self._seen

    def rtts_ms(self) -> tuple[float, float, float] | None:
        """Half and 95 of 100 round trips are at most so long, and the mean step to the next."""
        if self.received < LEAST_ECHOES:
            return None
        in_turn = [self._rtts_s[number] for number in sorted(self._rtts_s)]
        steps_s = [abs(one - other) for one, other in itertools.pairwise(in_turn)]
        ranked = sorted(in_turn)
        p50_s, p95_s = (ranked[int(share * (len(ranked) - 1))] for share in (0.5, 0.95))
        return 1e3 * p50_s, 1e3 * p95_s, 1e3 * sum(steps_s) / len(steps_s)

    def _send(self, now: float) -> float:
        """One probe if there is room for it; when the next is due."""
        path = self._path
        if self._sender.queued_bytes or path.wait_s(PROBE_BYTES, now) > 0:
            return now + RETRY_S
        probe = LinkProbe(self._test, self.sent)
        pad_to = PROBE_BYTES - HEADER_SIZE - TAG_SIZE
        self._sender.outlet.control(path, [probe], now, pad_to=pad_to)
        self._sent_at[self.sent] = self._last_sent_at = now
        self.sent += 1
        if self._unheard_since is None:
            self._unheard_since = now
        share = BUSY_SHARE if self._is_carrying(now) else IDLE_SHARE
        return now + max(PROBE_S, CHARGED_BYTES * 8 / (share * path.rate_bps))

    def _is_gone(self, now: float) -> bool:
        if not self._path.attached or self._path.state is PathState.DOWN:
            return True
        return self._unheard_since is not None and now - self._unheard_since > SILENT_S
