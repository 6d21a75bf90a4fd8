import base64
import contextlib
from itertools import count

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.identity.certificate import check_issued, issue, make_authority, past_half, pem
from edgebox.identity.request import is_signed, key_of, make_key, make_request, sign, spki

NOW_UTC = 1_800_000_000.0
DAY_S = 86_400.0
DER = serialization.Encoding.DER
REQUEST = make_request(make_key(), "box-1")
AUTHORITY = make_authority(make_key(), "Fleet", NOW_UTC)


def test_request_carries_the_key() -> None:
    key = make_key()
    assert spki(key_of(make_request(key, "box-1"))) == spki(key.public_key())


def test_request_with_another_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    pem_text = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(RemoteProtocolError, match="P-256"):
        key_of(pem_text)


def test_request_that_somebody_else_signed_is_refused() -> None:
    # Signatures in DER are of 70 to 72 bytes; only one of the same length fits in its place.
    mine = x509.load_pem_x509_csr(make_request(make_key(), "box-1").encode())
    others = (x509.load_pem_x509_csr(make_request(make_key(), "box-1").encode()) for _ in count())
    other = next(one for one in others if len(one.signature) == len(mine.signature))
    der = mine.public_bytes(serialization.Encoding.DER)
    forged = der.replace(mine.signature, other.signature)
    text = x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(RemoteProtocolError, match="own key"):
        key_of(text)


@given(st.text(max_size=300))
def test_any_text_is_no_request(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        key_of(text)


# What the library only still tolerates (a negative serial number) it warns of.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_changed_byte_of_a_request_or_certificate(where: int, change: int) -> None:
    """Whatever the libraries make of it, one error comes out."""
    der = bytearray(x509.load_pem_x509_csr(REQUEST.encode()).public_bytes(DER))
    der[where % len(der)] ^= change
    with contextlib.suppress(RemoteProtocolError):
        key_of(_pem("CERTIFICATE REQUEST", bytes(der)))
    issued = bytearray(AUTHORITY.certificate.public_bytes(DER))
    issued[where % len(issued)] ^= change
    with contextlib.suppress(RemoteProtocolError):
        check_issued(
            _pem("CERTIFICATE", bytes(issued)),
            pem(AUTHORITY.certificate),
            AUTHORITY.key.public_key(),
            "box-1",
        )


def _pem(what: str, der: bytes) -> str:
    return f"-----BEGIN {what}-----\n{base64.encodebytes(der).decode()}-----END {what}-----\n"


def test_signature() -> None:
    key, other = make_key(), make_key()
    signature = sign(key, "request")
    assert is_signed(key.public_key(), "request", signature)
    assert not is_signed(key.public_key(), "another", signature)
    assert not is_signed(other.public_key(), "request", signature)
    assert not is_signed(key.public_key(), "request", "00ff")
    assert not is_signed(key.public_key(), "request", "no hex")


def test_certificate_is_for_one_box_one_key_one_authority() -> None:
    authority = make_authority(make_key(), "Fleet", NOW_UTC)
    stranger = make_authority(make_key(), "Fleet", NOW_UTC)
    key = make_key()
    issued = issue(
        authority, key.public_key(), "box-1", purpose="client", now_utc=NOW_UTC, days=100
    )
    ca = pem(authority.certificate)
    assert check_issued(pem(issued), ca, key.public_key(), "box-1") == issued
    for certificate, signer, for_key, box in (
        (pem(issued), pem(stranger.certificate), key.public_key(), "box-1"),
        (pem(issued), ca, make_key().public_key(), "box-1"),
        (pem(issued), ca, key.public_key(), "box-2"),
        ("nothing", ca, key.public_key(), "box-1"),
    ):
        with pytest.raises(RemoteProtocolError):
            check_issued(certificate, signer, for_key, box)


def test_half_of_its_time() -> None:
    authority = make_authority(make_key(), "Fleet", NOW_UTC)
    key = make_key().public_key()
    issued = issue(authority, key, "box-1", purpose="client", now_utc=NOW_UTC, days=99)
    assert not past_half(issued, NOW_UTC + 48 * DAY_S)
    assert past_half(issued, NOW_UTC + 50 * DAY_S)
