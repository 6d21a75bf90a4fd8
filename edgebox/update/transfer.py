"""One HTTP request for what is missing of a bundle: what is asked, what may be answered. Pure.

RFC 9110, 14: `Range: bytes=N-`, answered by 206 with `Content-Range: bytes N-LAST/SIZE`. The
address names the content by its hash, and the whole is compared with it at the end: so no
validator is needed to put pieces of different days together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgebox.errors import DeviceError, RemoteProtocolError

_CONTENT_RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})", re.ASCII)
_LENGTH = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """`have_bytes` of `size_bytes` are there."""

    have_bytes: int
    size_bytes: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the request."""
        return {"Range": f"bytes={self.have_bytes}-", "Accept-Encoding": "identity"}

    def begin(self, status: int, headers: Mapping[str, str]) -> int:
        """Where the answer's body belongs in the file.

        Raises DeviceError for a hub that gives nothing now, RemoteProtocolError for an answer that
        does not fit: another size, or a part that was not asked for.
        """
        if status == 200:
            self._check_length(headers, self.size_bytes)
            return 0
        if status == 206:
            return self._check_part(headers)
        raise DeviceError(f"the hub answers {status}")

    def _check_part(self, headers: Mapping[str, str]) -> int:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if found is None:
            raise RemoteProtocolError("a part without its place")
        first, last, size = (int(text) for text in found.groups())
        if first != self.have_bytes or last != self.size_bytes - 1 or size != self.size_bytes:
            raise RemoteProtocolError(f"bytes {first} to {last} of {size}, which was not asked")
        self._check_length(headers, self.size_bytes - first)
        return first

    @staticmethod
    def _check_length(headers: Mapping[str, str], expected: int) -> None:
        length = headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length) or int(length) != expected:
            raise RemoteProtocolError(f"{length[:20] or 'no'} bytes instead of {expected}")
