"""Who may come in by SSH: the box certifies a key itself, for minutes, in memory only.

An authority is made for each opening and forgotten with it, so a certificate of another opening, an
older one or one that somebody else signed is of no authority here. The box's own key is new each
time as well, and goes to the hub with the certificate: neither side ever believes a first sight.

Validity is counted on the box's own clock, by which it is checked too: a wrong one does no harm.
"""

import time

import asyncssh

CERTIFICATE_S = 120
BEFORE_S = 5
"""asyncssh counts whole seconds."""
KIND = "ssh-ed25519"


class Papers:
    """Of one opening."""

    def __init__(self, user: str):
        self.user = user
        self.host_key = asyncssh.generate_private_key(KIND)
        self._authority = asyncssh.generate_private_key(KIND)

    def certify(self, public_key: str, now_utc: float | None = None) -> str:
        """A certificate for `user` as a line of text. Raises asyncssh.KeyImportError."""
        now_utc = time.time() if now_utc is None else now_utc
        certificate = self._authority.generate_user_certificate(
            asyncssh.import_public_key(public_key),
            key_id=self.user,
            principals=[self.user],
            valid_after=int(now_utc) - BEFORE_S,
            valid_before=int(now_utc) + CERTIFICATE_S,
            permit_x11_forwarding=False,
            permit_agent_forwarding=False,
            permit_port_forwarding=False,
            permit_user_rc=False,
        )
        return one_line(certificate.export_certificate())

    def authorized(self) -> asyncssh.SSHAuthorizedKeys:
        """What the server lets in: certificates of this authority, by the name they are for."""
        return asyncssh.import_authorized_keys(f"cert-authority {public_line(self._authority)}\n")


def public_line(key: asyncssh.SSHKey) -> str:
    """The public half: kind and base64."""
    return one_line(key.export_public_key())


def one_line(exported: bytes) -> str:
    """Kind and base64, without a comment."""
    return " ".join(exported.decode().split()[:2])
