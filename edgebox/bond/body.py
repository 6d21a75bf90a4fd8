"""What an opened packet says, of whatever kind it is."""

from edgebox.bond.control import Control, decode_control
from edgebox.bond.wire import Data, Kind, Parity, decode_data, decode_parity
from edgebox.errors import RemoteProtocolError


def decode_body(body: bytes) -> Data | Control | Parity:
    """Body of an opened packet. Raises RemoteProtocolError, and nothing else."""
    kind = body[0] if body else -1
    if kind == Kind.DATA:
        return decode_data(body)
    if kind == Kind.CONTROL:
        return decode_control(body)
    if kind == Kind.PARITY:
        return decode_parity(body)
    raise RemoteProtocolError("unknown kind of body")
