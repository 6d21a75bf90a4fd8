"""HL7 messages in a byte stream (MLLP: VT message FS CR; HL7 v2 Appendix C, IHE ITI TF-2 C.2).

A message is only given out whole. Monitors that leave out the FS exist: what stands before the next
VT, or what was followed by END_S of silence, is taken as whole if it ends with a segment's CR, so
that no value is ever cut in two. A message that is begun is at most MESSAGE_MAX_BYTES long.
"""

VT, FS, CR = b"\x0b", b"\x1c", b"\r"
END_S = 1.0
MESSAGE_MAX_BYTES = 1024 * 1024


class Mllp:
    """One direction of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_inside = False
        self._fed_at = 0.0
        self.damaged = 0
        """Messages that were cut off or too long, and runs of bytes outside any."""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Whole messages, without their frame."""
        messages: list[bytes] = []
        self._fed_at = now
        self._buffer += data
        while self._buffer:
            if not self._is_inside:
                if not self._find_start():
                    break
            elif not self._find_end(messages):
                break
        return messages

    def end(self) -> list[bytes]:
        """The connection is closed, or silent for END_S: what is whole of the rest."""
        messages: list[bytes] = []
        if self._is_inside:
            self._take(bytes(self._buffer), messages)
        self._buffer.clear()
        self._is_inside = False
        return messages

    def next_timeout(self) -> float | None:
        """When `end` is due if nothing more comes."""
        whole = self._is_inside and self._buffer.rstrip(b"\n").endswith(CR)
        return self._fed_at + END_S if whole else None

    def _find_start(self) -> bool:
        start = self._buffer.find(VT)
        outside = self._buffer if start < 0 else self._buffer[:start]
        if outside.strip(b"\r\n\x1c\x00"):
            self.damaged += 1
        del self._buffer[: len(outside) if start < 0 else start + 1]
        self._is_inside = start >= 0
        return self._is_inside

    def _find_end(self, messages: list[bytes]) -> bool:
        ends = [at for at in (self._buffer.find(FS), self._buffer.find(VT)) if at >= 0]
        if not ends:
            if len(self._buffer) > MESSAGE_MAX_BYTES:
                self._buffer.clear()
                self._is_inside = False
                self.damaged += 1
            return False
        end = min(ends)
        message = bytes(self._buffer[:end])
        if self._buffer[end : end + 1] == FS:
            self._is_inside = False
            del self._buffer[: end + 1]
            messages.append(message)
        else:
            del self._buffer[: end + 1]
            self._take(message, messages)
        return True

    def _take(self, message: bytes, messages: list[bytes]) -> None:
        """One that has no FS."""
        if message.rstrip(b"\n").endswith(CR):
            messages.append(message)
        elif message:
            self.damaged += 1


def frame(message: bytes) -> bytes:
    """A message ready to be sent."""
    return VT + message + FS + CR
