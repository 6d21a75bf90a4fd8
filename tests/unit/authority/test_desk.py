from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from edgebox.authority.desk import REFUSED, Desk
from edgebox.authority.register import Register
from edgebox.identity import voucher as vouchers
from edgebox.identity.certificate import Authority, check_issued, issue, make_authority, pem
from edgebox.identity.request import make_key, make_request, sign
from edgebox.identity.voucher import Voucher
from edgebox.messages.base import Fault
from edgebox.messages.identity import Enrol, Enrolled, RenewCertificate, Renewed

NOW_UTC = 1_800_000_000.0
DAY_S = 86_400.0
WEB = "https://hub.example.org"


@pytest.fixture
def authority() -> Authority:
    return make_authority(make_key(), "Fleet", NOW_UTC)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "a/register.db")


@pytest.fixture
def desk(authority: Authority, register: Register) -> Desk:
    return Desk(authority, register, "hub.example.org")


def draw(desk: Desk, box: str = "box-7") -> Voucher:
    return desk.draw_voucher(WEB, box, "Ambulanse 7", now_utc=NOW_UTC, hours=1)


def ask(voucher: Voucher, key: Any = None, *, secret: bytes = b"", box: str = "") -> Enrol:
    request = make_request(key or make_key(), voucher.box)
    secret = secret or voucher.secret
    return Enrol(
        request=request, proof=vouchers.prove(secret, "enrol", box or voucher.box, request)
    )


def test_a_voucher_makes_a_box(desk: Desk, authority: Authority) -> None:
    voucher, key = draw(desk), make_key()
    answer = desk.enrol("box-7", ask(voucher, key), NOW_UTC)
    assert isinstance(answer, Enrolled)
    assert (answer.vehicle, answer.hub) == ("Ambulanse 7", "hub.example.org")
    check_issued(answer.certificate, pem(authority.certificate), key.public_key(), "box-7")
    parts = (answer.certificate, answer.authority, answer.vehicle, answer.hub)
    assert vouchers.is_proved(answer.proof, voucher.secret, "enrolled", "box-7", *parts)


def test_a_lost_answer_is_given_again_and_to_nobody_else(desk: Desk, register: Register) -> None:
    voucher, key = draw(desk), make_key()
    first = desk.enrol("box-7", ask(voucher, key), NOW_UTC)
    assert isinstance(first, Enrolled)
    again = desk.enrol("box-7", ask(voucher, key), NOW_UTC + 60)
    assert isinstance(again, Enrolled)
    assert again.certificate == first.certificate
    assert desk.enrol("box-7", ask(voucher), NOW_UTC + 60) == REFUSED
    assert len(register.certificates("box-7")) == 1


@pytest.mark.parametrize("what", ["secret", "other box", "late", "replaced", "never"])
def test_refusals_read_alike(desk: Desk, register: Register, what: str) -> None:
    voucher = draw(desk)
    asked, box, at_utc = ask(voucher), "box-7", NOW_UTC
    if what == "secret":
        asked = ask(voucher, secret=b"x" * 16)
    elif what == "other box":
        draw(desk, "box-8")
        box = "box-8"
    elif what == "late":
        at_utc += 3601
    elif what == "replaced":
        draw(desk)
    else:
        box = "box-9"
    assert desk.enrol(box, asked, at_utc) == REFUSED
    assert register.certificates() == []


def test_a_request_that_is_none_spends_nothing(desk: Desk) -> None:
    voucher = draw(desk)
    junk = Enrol(request="junk", proof=vouchers.prove(voucher.secret, "enrol", "box-7", "junk"))
    assert desk.enrol("box-7", junk, NOW_UTC) == REFUSED
    assert isinstance(desk.enrol("box-7", ask(voucher), NOW_UTC), Enrolled)


def enrolled(desk: Desk) -> tuple[Any, str]:
    key = make_key()
    answer = desk.enrol("box-7", ask(draw(desk), key), NOW_UTC)
    assert isinstance(answer, Enrolled)
    return key, answer.certificate


def renewal(key: Any, certificate: str, *, signer: Any = None) -> RenewCertificate:
    request = make_request(make_key(), "box-7")
    return RenewCertificate(
        request=request, certificate=certificate, signature=sign(signer or key, request)
    )


def test_renewal_at_half_time_and_not_before(desk: Desk, register: Register) -> None:
    key, certificate = enrolled(desk)
    early = desk.renew("box-7", renewal(key, certificate), NOW_UTC + 100 * DAY_S)
    assert isinstance(early, Fault)
    answer = desk.renew("box-7", renewal(key, certificate), NOW_UTC + 200 * DAY_S)
    assert isinstance(answer, Renewed)
    ends = x509.load_pem_x509_certificate(answer.certificate.encode()).not_valid_after_utc
    assert ends.timestamp() == pytest.approx(NOW_UTC + (200 + 397) * DAY_S)
    assert len(register.certificates("box-7")) == 2


def test_who_is_shut_out_gets_no_new_one(desk: Desk, register: Register) -> None:
    key, certificate = enrolled(desk)
    later = NOW_UTC + 200 * DAY_S
    assert len(register.revoke("box-7", later)) == 1
    assert desk.renew("box-7", renewal(key, certificate), later) == REFUSED
    assert register.revoke("box-7", later) == []


def test_renewal_needs_the_present_key_name_and_authority(desk: Desk, authority: Authority) -> None:
    key, certificate = enrolled(desk)
    later = NOW_UTC + 200 * DAY_S
    thief = make_key()
    assert desk.renew("box-7", renewal(key, certificate, signer=thief), later) == REFUSED
    assert desk.renew("box-8", renewal(key, certificate), later) == REFUSED
    assert desk.renew("box-7", renewal(key, certificate), NOW_UTC + 400 * DAY_S) == REFUSED
    stranger = make_authority(make_key(), "Fleet", NOW_UTC)
    for signer in (stranger, authority):  # of another fleet; of ours, but not in the register
        forged = pem(
            issue(signer, thief.public_key(), "box-7", purpose="client", now_utc=NOW_UTC, days=397)
        )
        assert desk.renew("box-7", renewal(thief, forged), later) == REFUSED
    assert desk.renew("box-7", renewal(key, "junk"), later) == REFUSED
