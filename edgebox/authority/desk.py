"""Who gets a certificate. Told the time.

Every refusal of a fresh box reads alike: somebody who tries box ids learns nothing.
"""

import logging

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.authority.register import Issued, Open, Register
from edgebox.errors import RemoteProtocolError
from edgebox.identity import voucher as vouchers
from edgebox.identity.certificate import Authority, check_issued, issue, past_half, pem
from edgebox.identity.request import is_signed, key_of, spki
from edgebox.identity.voucher import Voucher
from edgebox.messages.base import Fault
from edgebox.messages.identity import Enrol, Enrolled, RenewCertificate, Renewed

logger = logging.getLogger(__name__)

BOX_DAYS = 397
REFUSED = Fault(reason="refused", text="this voucher is not open for this box")


class Desk:
    """The authority at work. Raises DeviceError when the register cannot be used."""

    def __init__(self, authority: Authority, register: Register, hub: str):
        """`hub`: host name that boxes are told."""
        self._authority = authority
        self._register = register
        self._hub = hub

    def draw_voucher(
        self, web: str, box: str, vehicle: str, *, now_utc: float, hours: float
    ) -> Voucher:
        """A new voucher for a box; an earlier one is void from now on."""
        drawn = vouchers.draw(web, box)
        self._register.put_voucher(box, Open(vehicle, drawn.secret, now_utc + hours * 3600))
        return drawn

    def enrol(self, box: str, asked: Enrol, now_utc: float) -> Enrolled | Fault:
        """A fresh box shows that it has the voucher."""
        found = self._register.voucher(box)
        if found is None or now_utc > found.expires_utc:
            return self._refuse(box, "no open voucher")
        if not vouchers.is_proved(asked.proof, found.secret, "enrol", box, asked.request):
            return self._refuse(box, "the proof is wrong")
        try:
            key = key_of(asked.request)
        except RemoteProtocolError as error:
            return self._refuse(box, str(error))
        if found.key is None:
            return self._first(box, found, key, now_utc)
        if found.key != spki(key) or found.certificate is None:
            return self._refuse(box, "the voucher was used by another machine")
        return self._enrolled(box, found, found.certificate)

    def renew(self, box: str, asked: RenewCertificate, now_utc: float) -> Renewed | Fault:
        """`box`: as the broker knows it by its certificate."""
        try:
            key = key_of(asked.request)
            present = self._present(box, asked)
        except RemoteProtocolError as error:
            return self._refuse(box, str(error))
        serial = f"{present.serial_number:X}"
        known = self._register.find(serial)
        if known is None or known.revoked_utc is not None:
            return self._refuse(box, f"certificate {serial} is unknown or shut out")
        if present.not_valid_after_utc.timestamp() < now_utc:
            return self._refuse(box, f"certificate {serial} has ended")
        if not past_half(present, now_utc):
            return Fault(reason="refused", text="not before half of its time")
        issued = self._issue(box, key, now_utc)
        self._register.add(_row(issued, box, now_utc))
        logger.info("box %s: certificate renewed", box)
        return Renewed(certificate=pem(issued))

    def _present(self, box: str, asked: RenewCertificate) -> x509.Certificate:
        try:
            present = x509.load_pem_x509_certificate(asked.certificate.encode())
            key = present.public_key()
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise RemoteProtocolError("the present certificate is not readable") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise RemoteProtocolError("the present certificate is not one of ours")
        check_issued(asked.certificate, pem(self._authority.certificate), key, box)
        if not is_signed(key, asked.request, asked.signature):
            raise RemoteProtocolError("the request is not signed with the present key")
        return present

    def _first(
        self, box: str, found: Open, key: ec.EllipticCurvePublicKey, now_utc: float
    ) -> Enrolled | Fault:
        issued = self._issue(box, key, now_utc)
        certificate = pem(issued)
        row = _row(issued, box, now_utc)
        if not self._register.use_voucher(box, found.secret, spki(key), certificate, row):
            return self._refuse(box, "the voucher was used by another machine just now")
        logger.info("box %s: enrolled, certificate %s", box, row.serial)
        return self._enrolled(box, found, certificate)

    def _issue(self, box: str, key: ec.EllipticCurvePublicKey, now_utc: float) -> x509.Certificate:
        return issue(self._authority, key, box, purpose="client", now_utc=now_utc, days=BOX_DAYS)

    def _enrolled(self, box: str, found: Open, certificate: str) -> Enrolled:
        parts = (certificate, pem(self._authority.certificate), found.vehicle, self._hub)
        proof = vouchers.prove(found.secret, "enrolled", box, *parts)
        return Enrolled(
            certificate=parts[0], authority=parts[1], vehicle=parts[2], hub=parts[3], proof=proof
        )

    def _refuse(self, box: str, why: str) -> Fault:
        logger.warning("box %s: refused: %s", box, why)
        return REFUSED


def _row(issued: x509.Certificate, box: str, now_utc: float) -> Issued:
    ends_utc = issued.not_valid_after_utc.timestamp()
    return Issued(f"{issued.serial_number:X}", box, now_utc, ends_utc, None)
