"""The second way to the hub: when it is wanted, over which link, and what is heard by two ways."""

import contextlib
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edgebox.bus import Once
from edgebox.config import Config
from edgebox.config.bond import Bond, Link
from edgebox.config.support import Support
from edgebox.errors import ConfigError
from edgebox.hub.desk_sift import Sift
from edgebox.identity.certificate import Authority, issue, make_authority, pem
from edgebox.identity.request import key_pem, make_key
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus
from edgebox.messages.support import AuditHead, ChatLine, SupportSession
from edgebox.support.far_broker import NO_CHECK_TIME, address_of, in_order, tls_context
from edgebox.support.way_plan import BAD_S, SILENT_S, STEADY_S, WayPlan

DAY_S = 86_400.0
NOW_UTC = datetime(2026, 6, 1, tzinfo=UTC).timestamp()


def needed(plan: WayPlan, now: float, *, broker: bool = True, bridge: bool | None = True) -> bool:
    return plan.update(now, needed=True, broker=broker, bridge=bridge)


def test_nothing_is_done_while_nobody_needs_it() -> None:
    plan = WayPlan()
    for now in (0.0, 10.0, 1000.0):
        assert not plan.update(now, needed=False, broker=False, bridge=False)


@pytest.mark.parametrize(("broker", "bridge"), [(True, False), (False, None)])
def test_a_bridge_or_broker_that_is_away_is_given_a_moment(
    broker: bool, bridge: bool | None
) -> None:
    plan = WayPlan()
    assert not needed(plan, 0.0, broker=broker, bridge=bridge)
    assert not needed(plan, BAD_S - 0.1, broker=broker, bridge=bridge)
    assert not needed(plan, BAD_S, broker=True, bridge=True), "it came back"
    assert not needed(plan, BAD_S + 0.1, broker=broker, bridge=bridge)
    assert needed(plan, 2 * BAD_S + 0.1, broker=broker, bridge=bridge)


@pytest.mark.parametrize("bridge", [True, None])
def test_a_bridge_over_which_the_hub_is_silent_is_none(bridge: bool | None) -> None:
    plan = WayPlan()
    assert not needed(plan, 0.0, bridge=bridge)
    plan.answered(5.0)
    assert not needed(plan, 5.0 + SILENT_S, bridge=bridge)
    assert needed(plan, 5.1 + SILENT_S, bridge=bridge)
    assert not plan.bridge_works


def test_back_only_when_the_bridge_has_been_well_for_a_while() -> None:
    plan = WayPlan()
    needed(plan, 0.0, bridge=False)
    assert needed(plan, 2.0, bridge=False)
    for now in (3.0, 6.0):
        plan.answered(now)
        assert needed(plan, now)
    assert needed(plan, 7.0, bridge=False), "it comes and goes"
    for now in (8.0, 12.0, 16.0):
        plan.answered(now)
        assert needed(plan, now)
    plan.answered(8.0 + STEADY_S)
    assert not needed(plan, 8.0 + STEADY_S)


def test_it_is_over_with_the_need_and_begins_anew() -> None:
    plan = WayPlan()
    needed(plan, 0.0, bridge=False)
    assert needed(plan, 2.0, bridge=False)
    assert not plan.update(3.0, needed=False, broker=True, bridge=False)
    assert not needed(plan, 100.0), "the hub is asked first"


def status(**states: tuple[Any, float | None, Any]) -> BondStatus:
    links = tuple(
        LinkStatus(
            name=name, label="", state=state, since_utc=0, rtt_ms=rtt_ms, queue_ms=0,
            loss=0, capacity_bps=0, sent_bps=0, received_bps=0, use=use,
        )
        for name, (state, rtt_ms, use) in states.items()
    )  # fmt: skip
    return BondStatus(
        at_utc=0, state="up", since_utc=0, links=links, capacity_bps=0, target_bps=0, rtt_ms=None,
        redundancy=0, counters=BondCounters(),
    )  # fmt: skip


def test_the_quickest_link_that_is_up_goes_first_and_none_is_left_out() -> None:
    links = [Link(name=name, interface=name) for name in ("a", "b", "c", "d", "e")]
    bond = status(
        a=("down", None, "ordinary"),
        b=("up", 80.0, "ordinary"),
        c=("up", 30.0, "ordinary"),
        d=("up", 10.0, "closed"),
    )
    assert [link.name for link in in_order(links, bond)] == ["c", "b", "a", "e", "d"]
    assert in_order(links, None) == links


def test_the_hub_is_where_keys_are_fetched_unless_said() -> None:
    plain = Config(bond=Bond(key_exchange="hub.example.org:4443"))
    assert address_of(plain) == "hub.example.org:8884"
    six = Config(bond=Bond(key_exchange="[2001:db8::1]:4443"))
    assert address_of(six) == "[2001:db8::1]:8884"
    said = Config(support=Support(direct="127.0.0.1:99"))
    assert address_of(said) == "127.0.0.1:99"


# Clocks


def papers(directory: Path, authority: Authority, box_utc: float, days: int = 397) -> Config:
    key = make_key()
    box = issue(authority, key.public_key(), "b1", purpose="client", now_utc=box_utc, days=days)
    (directory / "ca.pem").write_text(pem(authority.certificate))
    (directory / "b1.pem").write_text(pem(box))
    (directory / "b1.key").write_bytes(key_pem(key))
    bond = Bond(ca="ca.pem", certificate="b1.pem", private_key="b1.key")
    return Config(bond=bond, directory=str(directory))


def server(directory: Path, authority: Authority, from_utc: float) -> ssl.SSLContext:
    key = make_key()
    hub = issue(
        authority, key.public_key(), "hub", purpose="server", now_utc=from_utc, days=30,
        names=["hub.test"],
    )  # fmt: skip
    (directory / "hub.pem").write_bytes(pem(hub).encode() + key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "hub.pem")
    return context


def shake(client: ssl.SSLContext, server: ssl.SSLContext, name: str = "hub.test") -> None:
    """Raises what the client finds wrong."""
    ends = [ssl.MemoryBIO() for _ in range(4)]
    ours = client.wrap_bio(ends[0], ends[1], server_hostname=name)
    theirs = server.wrap_bio(ends[2], ends[3], server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            ends[2].write(ends[1].read())
            ends[0].write(ends[3].read())


@pytest.mark.parametrize("ahead_s", [-500 * DAY_S, 500 * DAY_S])
def test_with_a_clock_that_fits_no_certificate_dates_do_not_count(
    tmp_path: Path, ahead_s: float
) -> None:
    """Certificates as far from this machine's clock as that of the box is from the hub's."""
    now_utc = datetime.now(UTC).timestamp()
    hub_utc = now_utc - ahead_s
    authority = make_authority(make_key(), "Fleet", min(hub_utc, now_utc))
    config = papers(tmp_path, authority, hub_utc)
    hub = server(tmp_path, authority, hub_utc)
    context, is_wrong = tls_context(config, now_utc)
    assert is_wrong
    shake(context, hub)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(context, hub, "other.test")
    stranger = make_authority(make_key(), "Fleet", min(hub_utc, now_utc))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(context, server(tmp_path, stranger, hub_utc))


def test_with_a_clock_that_fits_dates_count(tmp_path: Path) -> None:
    now_utc = datetime.now(UTC).timestamp()
    authority = make_authority(make_key(), "Fleet", now_utc - 100 * DAY_S)
    config = papers(tmp_path, authority, now_utc - 10 * DAY_S)
    context, is_wrong = tls_context(config, now_utc)
    assert not is_wrong
    assert not context.verify_flags & NO_CHECK_TIME
    shake(context, server(tmp_path, authority, now_utc))
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        shake(context, server(tmp_path, authority, now_utc - 90 * DAY_S))
    assert refused.value.verify_code == 10


def test_a_box_without_papers_says_so(tmp_path: Path) -> None:
    bond = Bond(ca="ca.pem", certificate="b1.pem", private_key="b1.key")
    with pytest.raises(ConfigError, match="ca, certificate or private_key"):
        tls_context(Config(bond=bond, directory=str(tmp_path)), NOW_UTC)


# What is heard twice


def said(instance: str, n: int) -> SupportSession:
    return SupportSession(state="active", instance=instance, n=n)


def test_what_comes_late_is_not_taken_for_new() -> None:
    sift = Sift()
    news = [sift.is_news(said("a", n)) for n in (1, 2, 4, 3, 4, 5)]
    assert news == [True, True, True, False, False, True]
    assert sift.is_news(said("b", 1)), "the service started anew"
    assert not sift.is_news(said("a", 6)), "what its predecessor said comes late"
    assert sift.is_news(said("b", 2))
    assert sift.is_news(SupportSession(state="off")), "a box that does not number what it says"


def test_a_line_and_an_entry_are_heard_once() -> None:
    sift = Sift()
    lines = [ChatLine(session="s", by="crew", text="x", at_utc=0.0, n=n) for n in (1, 2, 1)]
    assert [sift.is_first(line) for line in lines] == [True, True, False]
    heads = [AuditHead(entries=n, hash=f"{n:064x}", what="x") for n in (1, 3, 2, 3)]
    assert [sift.is_first(head) for head in heads] == [True, True, True, False]


def test_a_question_is_taken_once_and_forgotten_in_time() -> None:
    once = Once(most=2)
    taken = [once.take(one) for one in (b"a", b"a", b"b", b"c", b"a", b"", b"")]
    assert taken == [True, False, True, True, True, True, True]
