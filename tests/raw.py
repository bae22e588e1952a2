"""A client of nothing but a socket: it may say what no library would."""

import socket
import time
from contextlib import suppress

from tests.test_direct import frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def request(path="/ws", method="GET", version="HTTP/1.1", **headers):
    """A handshake; a header that is given as ``None`` is left out."""
    lines = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return "\r\n".join(
        [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in lines.items() if value is not None), "", ""]
    ).encode()


class Raw:
    """``seconds`` is how long anything may take."""

    def __init__(self, url, seconds=20):
        host, port = url.partition("//")[2].split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self.lost = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._socket.close()

    def send(self, data):
        """What nobody takes any more is lost, as it would be."""
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def drip(self, data, pause_s=0.0):
        """A byte at a time."""
        for byte in data:
            self.send(bytes([byte]))
            if pause_s:
                time.sleep(pause_s)

    def end(self):
        """No more will come from this side."""
        self._socket.shutdown(socket.SHUT_WR)

    def response(self):
        """Status and body of an answer in HTTP; 0 where the connection was closed without one. A handshake that succeeds has no body."""
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                return 0, self._data.decode("latin-1")
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        if status != 101:
            while self._more():
                pass
        return status, self._data.decode() if status != 101 else ""

    def upgrade(self, path="/ws", **headers):
        self.send(request(path, **headers))
        assert self.response()[0] == 101
        return self

    def frame(self):
        """Opcode and payload of the next frame; ``None`` when the connection is closed."""
        head = self._take(2)
        if not head:
            return None
        size = head[1]
        assert not size & 0x80, "a server masks nothing"
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        return head[0] & 15, self._take(size)

    def until(self, opcode, holds=b""):
        """The payload of the next frame of this kind that holds these bytes."""
        while found := self.frame():
            if found[0] == opcode and holds in found[1]:
                return found[1]
        raise AssertionError(f"closed before a frame of kind {opcode} came")

    def close_code(self, answers=False):
        """Of the close frame that comes; ``None`` without one. The connection is closed after it, at once if the client ``answers``."""
        code = None
        while found := self.frame():
            assert code is None, f"{found} after the close frame"
            if found[0] == CLOSE:
                code = int.from_bytes(found[1][:2], "big")
                if answers:
                    self.send(frame(CLOSE, found[1][:2]))
        return code

    def _take(self, count):
        while len(self._data) < count and self._more():
            pass
        taken, self._data = self._data[:count], self._data[count:]
        return taken if len(taken) == count else b""

    def _more(self):
        try:
            data = self._socket.recv(65_536)
        except ConnectionError:
            data, self.lost = b"", True
        self._data += data
        return bool(data)


__all__ = ["BINARY", "CLOSE", "PING", "PONG", "TEXT", "Raw", "frame", "request"]
