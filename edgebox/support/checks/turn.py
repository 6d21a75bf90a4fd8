"""Does a picture find its way? A TURN allocation at the hub, through the bond, given back at once.

That is what media does when a doctor joins: datagrams go to the hub and come back through all links
together, and the hub's TURN server knows the hub's passwords. Some 700 bytes.
"""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from edgebox.config import parse_address
from edgebox.errors import RemoteProtocolError
from edgebox.messages.base import Fault
from edgebox.messages.selftest import ASK_TURN, AskTurn
from edgebox.messages.session import TurnCredentials
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings
from edgebox.support.turn import State, Trial

PASSWORD_S = 3.0
AGAIN_S = 0.4
GIVE_UP_S = 3.0
SLOW_S = 1.5


@dataclass(frozen=True)
class Facts:
    """`state`: how far the trial came. `took_s`: for all of it."""

    bond: Literal["up", "connecting", "down", "unknown"]
    state: State
    code: int
    took_s: float
    has_password: bool
    address: str


async def read(here: Surroundings) -> Facts:
    """Ask the hub for a password, then try."""
    address = here.config.media.turn
    answer = await here.bus.request(ASK_TURN, AskTurn(), timeout_s=PASSWORD_S)
    credentials = answer if isinstance(answer, TurnCredentials) else None
    trial = Trial(credentials, [secrets.token_bytes(12) for _ in range(6)])
    began_at = time.monotonic()
    await _carry_out(trial, address)
    bond = here.heard.bond(time.time())
    return Facts(
        bond=bond.state if bond is not None else "unknown",
        state=trial.state,
        code=trial.code,
        took_s=time.monotonic() - began_at,
        has_password=not isinstance(answer, Fault),
        address=address,
    )


class _Receiver(asyncio.DatagramProtocol):
    """Hands on what comes."""

    def __init__(self, trial: Trial):
        self.trial = trial
        self.news = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        with contextlib.suppress(RemoteProtocolError):
            self.trial.receive(data)
            self.news.set()


async def _carry_out(trial: Trial, address: str) -> None:
    """Until it is over, or nothing comes. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport, receiver = await loop.create_datagram_endpoint(
        lambda: _Receiver(trial), remote_addr=parse_address(address)
    )
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                while (request := trial.request) is not None:
                    transport.sendto(request)
                    receiver.news.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(AGAIN_S):
                            await receiver.news.wait()
    finally:
        transport.close()


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """It was given, and quickly."""
    measured = f"{facts.address}: {facts.state} after {facts.took_s * 1e3:.0f} ms"
    if facts.state in {"allocated", "returned"}:
        if facts.took_s > SLOW_S:
            return (attention("slow", measured, "coverage here; load on the hub"),)
        return (good(measured),)
    if facts.state == "refused":
        look_at = "the hub's turn_secret and coturn's static-auth-secret: the same? its quotas"
        return (fault("refused", f"{measured}, code {facts.code}", look_at),)
    if facts.state == "challenged":
        return (untested("no-password", f"{measured}; the hub gave no password"),)
    if facts.bond != "up":
        return (untested("no-bond", f"the bond is {facts.bond}"),)
    look_at = "bond.forward for media.turn and the hub's bond.allow; does coturn run on the hub?"
    return (fault("no-answer", measured, look_at),)


TURN = Check("turn", read, judge, takes_uplink=True, limit_s=12)
