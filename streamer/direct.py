"""A WebSocket whose messages may be taken where they arrive, without a task that wakes up for each.

The library hands messages to whoever awaits ``recv``: a future, a task switch and two queues for 20 ms of audio, and before them a parser
of generators. Where the reader would only put a message aside, it lends its ears instead, and awaits the messages that need more.
"""

from collections.abc import Callable
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.frames import apply_mask as unmask  # type: ignore[attr-defined]  # in C where the library has it
from websockets.http11 import Request
from websockets.protocol import State
from websockets.streams import StreamReader

from streamer.access.seats import Seat
from streamer.posting import Post
from streamer.sockets import AT_ONCE_BYTES, address
from streamer.wires import Back, Follows, Payload, Route, SharedWire, Wire

WHOLE_TEXT: Final = 0x81  # the first byte of a frame that is a whole message, with no extension's bits
WHOLE_BINARY: Final = 0x82
MASKED: Final = 0x80  # the second byte holds this bit and the length, or says that the length follows in two bytes or in eight
TWO_BYTES: Final = 126
EIGHT_BYTES: Final = 127


class DirectConnection(ServerConnection):
    """The library's connection but for messages that come whole while ``take`` is set.

    A message that is not taken goes the usual way to ``recv``, and so does everything after it until ``take`` is set again, so that
    the order is kept. Set it only when about to await ``recv``.
    """

    route: Route
    """What is spoken here; set with the handshake, as are ``wire`` and ``session_id``."""
    wire: Wire | SharedWire | Follows
    session_id: str
    back: Back | None = None
    """The client comes back to a session."""
    seat: Seat | None = None
    """Given back when the connection is gone, unless a session has taken it over."""
    gone: Callable[[], None] = staticmethod(lambda: None)
    """Called when the connection is gone, whatever became of it."""
    valid: Callable[[], bool] = staticmethod(lambda: True)
    """Whether whoever was let in still may."""
    post: Post | None = None
    """What was posted here, where this is no WebSocket."""
    take: Callable[[Payload], bool] | None = None
    """Takes a whole message, or gives False. May not raise."""
    most = 0
    """Bytes of a message that need no look at the library's limits."""
    _begun = False
    _between = False  # the library's parser waits for a frame to begin, and would do nothing to a whole message but hand it on

    @property
    def peer(self) -> str:
        return address(self.remote_address)

    @property
    def ready(self) -> bool:
        return bool(self.transport.get_write_buffer_size() < AT_ONCE_BYTES)

    def push(self, payload: Payload) -> None:
        broadcast((self,), payload)

    async def confirm(self) -> None:
        await (await self.ping())

    def abort(self) -> None:
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.seat:
            self.seat.leave()
        self.gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._between and self.take and self.protocol.state is State.OPEN:
            data = data[self._take_frames(data, self.take) :]
            if not data:
                return
        if not self._begun:
            self._begun = True
            self.post = Post() if data.startswith(Post.BEGINS) else None
        if self.post and not (data := self.post.feed(data)):
            return
        super().data_received(data)
        protocol = self.protocol
        self._between = not protocol.debug and not protocol.extensions and protocol.current_size is None and self._parser_waits()

    def process_event(self, event: Request | Frame) -> None:  # type: ignore[override]
        """Called by the library for each frame that has arrived."""
        if self.take and isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            payload = _payload(event.data, text=event.opcode is Opcode.TEXT) if event.opcode is not Opcode.CONT and event.fin else None
            if payload is not None and self.take(payload):
                return
            self.take = None
        super().process_event(event)

    def _take_frames(self, data: bytes, take: Callable[[Payload], bool]) -> int:
        """Take the messages that ``data`` begins with; give the bytes of them. What is not whole or not simple is the library's."""
        at = 0
        while len(data) - at > 4 and data[at] in (WHOLE_BINARY, WHOLE_TEXT) and data[at + 1] & MASKED:
            length, begin = data[at + 1] - MASKED, at + 6
            if length == EIGHT_BYTES:
                break
            if length == TWO_BYTES:
                length, begin = data[at + 2] << 8 | data[at + 3], at + 8
            end = begin + length
            if end > len(data) or length > self.most:
                break
            payload = _payload(unmask(data[begin:end], data[begin - 4 : begin]), text=data[at] == WHOLE_TEXT)
            if payload is None or not take(payload):
                break
            at = end
        return at

    def _parser_waits(self) -> bool:
        """For the first byte of a frame; in the middle of one it waits for something else."""
        waits: Any = self.protocol.parser
        while (inner := waits.gi_yieldfrom) is not None:
            waits = inner
        return bool(waits.gi_code is StreamReader.at_eof.__code__)


def _payload(data: bytes | bytearray | memoryview, *, text: bool) -> Payload | None:
    """``None`` for a text that is none, which the library refuses."""
    if not text:
        return bytes(data)
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return None
