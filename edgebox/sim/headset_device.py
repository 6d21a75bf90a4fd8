"""A device that pairs, without a browser: what static/pair.js does, as a core without I/O.

For benchmarks and for tests that need many devices, or devices that cheat; the real page in a real
browser is `sim.headset`.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.errors import RemoteProtocolError
from edgebox.messages.pairing import Enrol
from edgebox.pairing import enrolment, keys, proof
from edgebox.pairing.authority import Authority
from edgebox.pairing.wire import Beat, Beaten, Challenge, Hello, LeaseToken, Paired, Prove


@dataclass
class SimDevice:
    """One headset: its key and what it keeps."""

    authority: Authority
    """Whose boxes it believes."""
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    last: LeaseToken | None = None
    bearer: str = ""
    box: str = ""
    number: int = 0

    @property
    def id(self) -> str:
        """As the registry knows it."""
        return keys.device_id(self.key.public_key())

    def enrol(self, code: str, authority_der: bytes) -> Enrol:
        """Answer the code of fleet staff. RemoteProtocolError: not the authority it names."""
        found = enrolment.TEXT.fullmatch(code)
        if found is None:
            raise RemoteProtocolError("not a code for enrolment")
        if keys.encode(hashlib.sha256(authority_der).digest()) != found[2]:
            raise RemoteProtocolError("another fleet's authority")
        self.authority = Authority(x509.load_der_x509_certificate(authority_der))
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        statement = keys.transcript(enrolment.CONTEXT, found[1])
        return Enrol(
            ticket=found[1],
            key=keys.encode(point),
            signature=keys.encode(keys.sign(self.key, statement)),
        )

    def hello(self) -> Hello:
        """Begin."""
        return Hello(device=self.id, nonce=keys.encode(secrets.token_bytes(keys.NONCE_SIZE)))

    def prove(self, hello: Hello, challenge: Challenge, now_utc: float, code: str = "") -> Prove:
        """Answer a box, once it has proved itself. Raises RemoteProtocolError if it has not."""
        proof.check_challenge(challenge, hello, self.authority, now_utc)
        statement = keys.transcript(
            proof.DEVICE_CONTEXT,
            hello.nonce,
            challenge.nonce,
            challenge.box,
            challenge.vehicle,
            self.id,
            int(now_utc),
            code,
            self.last.counter if self.last is not None else 0,
        )
        return Prove(
            device=self.id,
            nonce=hello.nonce,
            box_nonce=challenge.nonce,
            box=challenge.box,
            vehicle=challenge.vehicle,
            at_utc=int(now_utc),
            code=code,
            last=self.last,
            signature=keys.encode(keys.sign(self.key, statement)),
        )

    def take(self, paired: Paired) -> None:
        """It is in."""
        self.last, self.bearer, self.box = paired.lease, paired.bearer, paired.lease.box
        self.number = 0

    def hear(self, beaten: Beaten) -> None:
        """Its heartbeat was heard."""
        self.bearer = beaten.bearer or self.bearer

    def beat(self) -> Beat:
        """The next heartbeat."""
        self.number += 1
        statement = keys.transcript(proof.BEAT_CONTEXT, self.bearer, self.number)
        return Beat(
            box=self.box,
            bearer=self.bearer,
            number=self.number,
            signature=keys.encode(keys.sign(self.key, statement)),
        )
