"""What of the boxes' wishes for certificates is handed on, when, and what comes of it."""

import sys
import textwrap
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bus import Bus
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.headset.certificate import PublicCredential
from edgebox.hub import certificates
from edgebox.hub.certificates import Round, is_due, read_chain, read_request
from edgebox.messages.headset import CertificateWish, IssuedCertificate
from tests.unit.headset.test_certificate import issued

NAME = "headset.example.org"
NAMES = (NAME, f"box-1.{NAME}")


def request_for(*names: str, key: Any = None, subject: str = NAME, **more: Any) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    )
    general = [x509.DNSName(one) for one in names]
    if general:
        made = made.add_extension(x509.SubjectAlternativeName(general), critical=False)
    for extension in more.values():
        made = made.add_extension(extension, critical=False)
    signed = made.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def test_what_a_box_asks_is_handed_on(tmp_path: Path) -> None:
    own = PublicCredential(tmp_path, NAMES)
    assert read_request(own.request(), "box-1", NAME).is_signature_valid


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        request_for(NAME),
        request_for(NAME, f"box-2.{NAME}"),
        request_for(NAME, f"box-1.{NAME}", "hub.example.org"),
        request_for(NAME, f"*.{NAME}"),
        request_for(*NAMES, subject="hub.example.org"),
        request_for(),
        request_for(*NAMES, key=rsa.generate_private_key(65537, 2048)),
        request_for(*NAMES, key=ec.generate_private_key(ec.SECP384R1())),
        request_for(*NAMES, ca=x509.BasicConstraints(ca=True, path_length=None)),
    ],
)
def test_nothing_else_is(pem: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read_request(pem, "box-1", NAME)


def test_request_signed_by_another_key_is_not() -> None:
    one, two = request_for(*NAMES), request_for(*NAMES)
    parts = [x509.load_pem_x509_csr(pem.encode()) for pem in (one, two)]
    der = parts[0].public_bytes(serialization.Encoding.DER)
    swapped = der.replace(
        parts[0]
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        parts[1]
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    pem = x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(RemoteProtocolError, match="its own key"):
        read_request(pem, "box-1", NAME)


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read_request(text, "box-1", NAME)
    request = x509.load_pem_x509_csr(REQUEST.encode())
    with pytest.raises(RemoteProtocolError):
        read_chain(text, request, NAME)


REQUEST = request_for(*NAMES)


def test_it_is_renewed_well_before_the_box_raises_the_alarm(tmp_path: Path) -> None:
    own = PublicCredential(tmp_path, NAMES)
    request = x509.load_pem_x509_csr(own.request().encode())
    begins, span = 1.8e9, 90 * 86_400.0
    chain = issued(own, begins, 90)
    assert not is_due(chain, request, NAME, begins + span * 0.33)
    assert is_due(chain, request, NAME, begins + span * 0.34)
    assert is_due("", request, NAME, begins)
    assert is_due(chain, x509.load_pem_x509_csr(REQUEST.encode()), NAME, begins)
    assert is_due(chain, request, "another.example", begins)


class Broker:
    """What is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, IssuedCertificate]] = []

    async def publish(self, topic: Any, message: IssuedCertificate, *, box: str) -> bool:
        self.published.append((box, message))
        return True


def client(tmp_path: Path, code: str) -> list[str]:
    """An ACME client that does this; `csr` and `chain` are paths."""
    head = "import sys; from pathlib import Path; csr, chain = map(Path, sys.argv[1:3])\n"
    path = tmp_path / "client.py"
    path.write_text(head + textwrap.dedent(code))
    return [sys.executable, str(path), "{csr}", "{chain}"]


async def tried(tmp_path: Path, words: list[str], *boxes: str) -> tuple[Broker, int]:
    """A round over these boxes; how many it would have tried."""
    broker = Broker()
    one = Round(cast("Bus", broker), words, NAME)
    for box in boxes:
        wish = CertificateWish(request=request_for(NAME, f"{box}.{NAME}"))
        await one._take_wish(wish, {"box": box})
    due = one._due(2e9)
    for box, request in due:
        await one._fetch(box, request)
    return broker, len(due)


@pytest.mark.parametrize(
    "code",
    [
        "sys.exit(1)",
        "",
        "chain.write_bytes(b'\\xff')",
        "chain.write_text(csr.read_text())",
    ],
)
async def test_client_that_fails_leaves_the_box_with_what_it_has(tmp_path: Path, code: str) -> None:
    broker, due = await tried(tmp_path, client(tmp_path, code), "box-1")
    assert due == 1
    assert broker.published == []


async def test_certificate_of_another_key_is_not_handed_on(tmp_path: Path) -> None:
    chain = issued(PublicCredential(tmp_path / "other", NAMES), 1.8e9, 90)
    (tmp_path / "other.pem").write_text(chain)
    code = f"chain.write_text(Path({str(tmp_path / 'other.pem')!r}).read_text())"
    broker, _ = await tried(tmp_path, client(tmp_path, code), "box-1")
    assert broker.published == []


async def test_client_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "CLIENT_S", 0.2)
    broker, _ = await tried(tmp_path, client(tmp_path, "import time; time.sleep(60)"), "box-1")
    assert broker.published == []


async def test_client_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="headset_acme"):
        await tried(tmp_path, ["/nowhere/certbot", "{csr}", "{chain}"], "box-1")


async def test_boxes_without_any_go_first_and_a_false_request_stops_nobody(tmp_path: Path) -> None:
    one = Round(cast("Bus", Broker()), [], NAME)
    own = PublicCredential(tmp_path, NAMES)
    chain = issued(own, 1.8e9, 90)
    await one._take_wish(CertificateWish(request=own.request()), {"box": "box-1"})
    await one._take_chain(IssuedCertificate(chain=chain), {"box": "box-1"})
    await one._take_wish(CertificateWish(request="nonsense"), {"box": "box-2"})
    new = request_for(NAME, f"box-3.{NAME}")
    await one._take_wish(CertificateWish(request=new), {"box": "box-3"})
    assert [box for box, _ in one._due(1.9e9)] == ["box-3", "box-1"]
