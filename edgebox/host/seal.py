"""What the crew allowed on the touch panel, sealed so that no other service of the box can say it.

Every service may say anything on the box's bus. The panel makes a key at each start and keeps it in
memory; its public half lies in a directory where only the panel's user may write (its unit's
RuntimeDirectory), and where all may read. Ed25519 (RFC 8032).
"""

import logging
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgebox.host.files import write_whole

logger = logging.getLogger(__name__)


class Seal:
    """The panel's, for as long as it runs."""

    def __init__(self, path: Path):
        """`path`: of the public half; without its directory what is sealed is not believed.

        Raises DeviceError if it cannot be written.
        """
        self._key = Ed25519PrivateKey.generate()
        if not path.parent.is_dir():
            # Made by root alone: in a directory of anybody's, anybody could put a key.
            logger.warning("%s is missing; no camera can be allowed", path.parent)
            return
        write_whole(path, self._key.public_key().public_bytes_raw(), mode=0o644)

    def over(self, *parts: str) -> str:
        """In hex."""
        return self._key.sign(_text(parts)).hex()


def is_sealed(path: Path, seal: str, *parts: str) -> bool:
    """Whether the panel that runs now said so. `path`: of its public half."""
    try:
        key = Ed25519PublicKey.from_public_bytes(path.read_bytes())
        key.verify(bytes.fromhex(seal), _text(parts))
    except (OSError, ValueError, InvalidSignature):
        return False
    return True


def _text(parts: tuple[str, ...]) -> bytes:
    # Each with its length: no two lists of parts look the same.
    return b"".join(b"%d:%s" % (len(one.encode()), one.encode()) for one in parts)
