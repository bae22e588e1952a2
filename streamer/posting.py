"""The body of a POST, which the WebSocket library does not read: it is kept here, and the library sees a request without one."""

import re
from typing import Final

MOST_HEAD_BYTES: Final = 32_768  # what does not end by then is the library's, which refuses it
MOST_BODY_BYTES: Final = 16_384
LENGTH: Final = re.compile(rb"(?im)^(content-length:[ \t]*)(\d{1,12})[ \t]*(?=\r?$)")


class Post:
    """One request. It begins with ``POST`` in the first bytes that arrive, or it is not taken for one."""

    BEGINS: Final = b"POST "

    def __init__(self) -> None:
        self._data = bytearray()
        self._passed = False
        self.body = b""
        self.too_large = False
        """Its body is longer than anything that is asked here; none of it was kept."""

    def feed(self, data: bytes) -> bytes:
        """What the library may see, nothing until all is here."""
        if self._passed:
            return data if not self.too_large else b""
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return self._pass(len(self._data)) if len(self._data) > MOST_HEAD_BYTES else b""
        found = LENGTH.search(self._data, 0, end + 2)
        digits = bytes(found[2]) if found else b"0"
        length = int(digits)
        self.too_large = length > MOST_BODY_BYTES
        if not self.too_large:
            if len(self._data) < end + 4 + length:
                return b""
            self.body = bytes(self._data[end + 4 : end + 4 + length])
        if found:
            self._data[found.start(2) : found.end(2)] = b"0"
            end -= len(digits) - 1
        return self._pass(end + 4)

    def _pass(self, count: int) -> bytes:
        self._passed = True
        head, self._data = bytes(self._data[:count]), bytearray()
        return head
