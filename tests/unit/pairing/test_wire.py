"""Any bytes from a device give a message or RemoteProtocolError, and nothing else."""

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.messages.pairing import Enrol
from edgebox.pairing import enrolment, keys, presence, proof, wire
from edgebox.pairing.authority import CERTIFICATE_MAX, Authority
from edgebox.pairing.wire import Beat, End, Hello, LeaseToken, Prove
from edgebox.sim.headset_device import SimDevice
from tests.unit.pairing.fleet import Fleet

KINDS = (Hello, Prove, Beat, End)
ascii_text = st.text(st.characters(max_codepoint=127), max_size=100)
base64url = st.binary(max_size=100).map(keys.encode)


@given(body=st.binary(max_size=300))
def test_any_body(body: bytes) -> None:
    for kind in KINDS:
        try:
            wire.decode(kind, body)
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize("body", [b"[" * 5000, b'{"device": "\xff"}', b"x" * 9000, b""])
def test_bodies_that_break_parsers(body: bytes) -> None:
    for kind in KINDS:
        with pytest.raises(RemoteProtocolError):
            wire.decode(kind, body)


@given(text=st.text(max_size=80), size=st.none() | st.integers(0, 70))
def test_any_base64(text: str, size: int | None) -> None:
    try:
        data = keys.decode(text, size)
    except RemoteProtocolError:
        return
    assert keys.encode(data) == text


@given(data=st.binary(max_size=100))
def test_base64_both_ways(data: bytes) -> None:
    assert keys.decode(keys.encode(data), len(data)) == data


@given(point=st.binary(max_size=70))
def test_any_point(point: bytes) -> None:
    try:
        assert len(keys.short_point(keys.load_point(point))) == 33
    except RemoteProtocolError:
        return


@given(one=st.lists(ascii_text, max_size=4), two=st.lists(ascii_text, max_size=4))
def test_other_fields_are_other_bytes(one: list[str], two: list[str]) -> None:
    assert (keys.transcript("a", *one) == keys.transcript("a", *two)) == (one == two)


@given(der=st.binary(max_size=500))
def test_any_certificate(der: bytes, shared: Fleet) -> None:
    with pytest.raises(RemoteProtocolError):
        shared.authority.holder(der)


def test_a_large_certificate_is_not_parsed(fleet: Fleet) -> None:
    """Signed by the fleet's own authority, with something large in it."""
    ca = x509.load_pem_x509_certificate((fleet.directory / "ca.pem").read_bytes())
    key = load_pem_private_key((fleet.directory / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own = x509.load_der_x509_certificate(_box(fleet))

    def signed(size: int) -> bytes:
        filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.1"), bytes(size))
        made = x509.CertificateBuilder().subject_name(own.subject).issuer_name(ca.subject)
        made = made.public_key(own.public_key()).serial_number(7)
        made = made.not_valid_before(own.not_valid_before_utc)
        made = made.not_valid_after(own.not_valid_after_utc).add_extension(filler, critical=False)
        return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    assert fleet.authority.holder(signed(100)).name == "box-1"
    with pytest.raises(RemoteProtocolError, match="too large"):
        fleet.authority.holder(signed(CERTIFICATE_MAX))


# What the library only still tolerates (a negative serial number) it warns of.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(where=st.integers(0, 10_000), what=st.integers(1, 255))
def test_a_changed_byte_of_a_certificate(where: int, what: int, shared: Fleet) -> None:
    der = bytearray(_box(shared))
    der[where % len(der)] ^= what
    try:
        holder = shared.authority.holder(bytes(der))
    except RemoteProtocolError:
        return
    # ECDSA signatures have more than one encoding; what is signed is the same.
    assert holder.name == "box-1"


_made: dict[Authority, bytes] = {}


def _box(fleet: Fleet) -> bytes:
    if fleet.authority not in _made:
        _made[fleet.authority] = fleet.identity("box-1").certificate
    return _made[fleet.authority]


@given(certificate=base64url, signature=base64url, counter=st.integers(0, 2**53 - 1))
def test_any_lease(certificate: str, signature: str, counter: int, shared: Fleet) -> None:
    token = LeaseToken(
        box="box-1", counter=counter, at_utc=1, certificate=certificate, signature=signature
    )
    with pytest.raises(RemoteProtocolError):
        proof.check_lease(token, "0" * 32, shared.authority)


@given(text=st.text(max_size=100))
def test_any_code(text: str) -> None:
    codes = presence.Codes("box-1", lambda size: bytes(size))
    codes.shown(0.0)
    assert not codes.spend(text, 1.0)


def test_a_code_says_no_more_than_the_box() -> None:
    shown, left_s = presence.Codes("box-1", lambda size: b"\x07" * size).shown(0.0)
    assert shown == "EDGE2:box-1:BwcHBwcHBwcHBwcHBwcHBw"
    assert presence.TEXT.fullmatch(shown)
    assert left_s == 30.0


def test_codes_change_and_the_one_before_is_good_for_a_moment() -> None:
    numbers = iter(range(10))
    codes = presence.Codes("box-1", lambda size: bytes([next(numbers)] * size))
    first, _ = codes.shown(0.0)
    assert codes.shown(29.9)[0] == first
    second, _ = codes.shown(30.0)
    assert second != first
    assert codes.spend(first, 35.0)
    assert not codes.spend(first, 35.0)
    codes.shown(70.0)
    assert not codes.spend(second, 71.0)


def test_enrolment(fleet: Fleet) -> None:
    device = SimDevice(fleet.authority)
    code = enrolment.code("t" * 21 + "A", fleet.authority.der)
    enrol = device.enrol(code, fleet.authority.der)
    assert enrolment.check(enrol)[0] == device.id
    other = SimDevice(fleet.authority).enrol(code, fleet.authority.der)
    for bad in (
        msgspec.structs.replace(enrol, ticket="s" * 21 + "A"),
        msgspec.structs.replace(enrol, key=other.key),
    ):
        with pytest.raises(RemoteProtocolError):
            enrolment.check(bad)


def test_a_device_enrols_only_with_the_authority_of_the_code(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Fleet(tmp_path_factory.mktemp("other"))
    code = enrolment.code("t" * 21 + "A", fleet.authority.der)
    with pytest.raises(RemoteProtocolError):
        SimDevice(fleet.authority).enrol(code, other.authority.der)


@given(key=base64url, signature=base64url)
def test_any_enrolment(key: str, signature: str) -> None:
    with pytest.raises(RemoteProtocolError):
        enrolment.check(Enrol(ticket="t" * 22, key=key, signature=signature))
