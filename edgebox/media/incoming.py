"""A picture on its way from a page to who wears a camera, piece by piece (no I/O)."""

from edgebox.errors import RemoteProtocolError
from edgebox.media import jpeg
from edgebox.media.data_messages import Picture, Show

PIECE_MIN_BYTES = 1000
"""But for the last: each piece is work, however small."""


class Incoming:
    """Of one page; a new Show begins anew."""

    def __init__(self) -> None:
        self._show: Show | None = None
        self._data = bytearray()
        self._skipped = 0

    def begin(self, show: Show) -> None:
        """Pieces follow."""
        self.drop()
        self._show = show

    def skip(self, show: Show) -> None:
        """It is not wanted; its pieces may be on their way already."""
        self.drop()
        self._skipped = show.bytes

    def take(self, piece: bytes) -> Picture | None:
        """The picture, once it is whole.

        Raises RemoteProtocolError for what was not announced, and for what is no picture.
        """
        show, size = self._show, len(piece)
        left = self._skipped if show is None else show.bytes - len(self._data)
        if not min(PIECE_MIN_BYTES, left) <= size <= left or not left:
            self.drop()
            raise RemoteProtocolError(f"a piece of {size} bytes where {left} were announced")
        if show is None:
            self._skipped -= size
            return None
        self._data += piece
        if size < left:
            return None
        data = bytes(self._data)
        self.drop()
        return Picture(show.camera, jpeg.cleaned(data))

    def drop(self) -> None:
        """What has come is forgotten, and what still comes is not taken."""
        self._show, self._skipped = None, 0
        self._data.clear()
