"""What the port answers about transcripts that are kept: lists, searches, downloads, deletion, and the page that shows them."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.http11 import Request, Response

from streamer.access.configured import is_loopback
from streamer.errors import StoreUnavailable
from streamer.keeper import Keeper
from streamer.pages import Pages, respond
from streamer.store import LONGEST_PAGE, PAGE, Store, StoreFailed, Wanted
from streamer.store.export import MEDIA_TYPES, page, write
from streamer.wires.plain import to_json

PAGE_PATH: Final = "/transcripts"
API: Final = "/api/transcripts"
LARGEST: Final = 128 << 20  # an hour of one channel: a whole answer is in memory
NONE_KEPT: Final = "this server keeps no transcripts; streamer serve --store sqlite:PATH would\n"


class Transcripts:
    """``host`` is the address that the server listens on."""

    def __init__(self, keeper: Keeper | None, pages: Pages, host: str) -> None:
        self._keeper, self._pages, self._host = keeper, pages, host

    def has(self, path: str) -> bool:
        """Whether a path is one of these."""
        return path in (PAGE_PATH, API) or path.startswith(API + "/")

    def answer(self, request: Request, *, keyed: bool) -> Response | Awaitable[Response]:
        """``keyed``: whoever asks has shown a key for it, or asks for the page alone."""
        path = request.path.partition("?")[0]
        if not self._keeper:
            return respond(HTTPStatus.NOT_FOUND, NONE_KEPT)
        if not keyed and (refusal := self._refusal(request)):
            return respond(HTTPStatus.FORBIDDEN, refusal + "\n")
        if path == PAGE_PATH:
            return self._pages.get("/transcripts.html") or _wrong_method() if request.method == "GET" else _wrong_method("GET")
        if path == API:
            return self._asked(partial(self._list, request)) if request.method == "GET" else _wrong_method("GET")
        return self._one(unquote(path.removeprefix(API + "/")), request.method)

    def _refusal(self, request: Request) -> str | None:
        """Who may read and delete what others said, where nobody has a key: people on this machine.

        A page of a stranger's that points its own name at this address is none of them, nor
        is whoever came through a proxy.
        """
        if not is_loopback(self._host):
            return (
                f"transcripts are shown on this machine only, and this server listens on {self._host}; read them with streamer transcripts"
            )
        named = urlsplit("//" + request.headers.get("Host", "")).hostname or ""
        if not is_loopback(named) or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
            return (
                f"transcripts are shown on this machine only, at localhost and not at {named[:100]!r}; read them with streamer transcripts"
            )
        return None

    def _one(self, name: str, method: str) -> Response | Awaitable[Response]:
        session_id, _, kind = name.partition(".")
        if method == "DELETE" and not kind:
            return self._asked(partial(self._delete, session_id))
        if kind == "wav" and method == "GET":
            return self._asked(partial(self._recording, session_id))
        if kind not in MEDIA_TYPES:
            known = ", ".join(f"{API}/ID.{kind}" for kind in (*MEDIA_TYPES, "wav"))
            return respond(HTTPStatus.NOT_FOUND, f"nothing is at {API}/{name[:100]}; a transcript is at {known}\n")
        return self._asked(partial(self._download, session_id, kind)) if method == "GET" else _wrong_method("GET")

    async def _asked(self, answer: Callable[[], Awaitable[Response]]) -> Response:
        try:
            return await answer()
        except (StoreFailed, StoreUnavailable) as failure:
            return respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{failure}\n")

    async def _list(self, request: Request) -> Response:
        assert self._keeper
        query = parse_qs(request.path.partition("?")[2])
        limit = query.get("limit", [str(PAGE)])[-1]
        try:
            if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) < LONGEST_PAGE):
                raise ValueError(f"limit is {limit[:20]!r}, expected 1 to {LONGEST_PAGE - 1}")
            wanted = Wanted(query=query.get("q", [""])[-1], before=query.get("before", [""])[-1], limit=int(limit) + 1)
        except ValueError as error:
            return respond(HTTPStatus.BAD_REQUEST, f"{error}\n")
        rows = await self._keeper.ask(lambda store: store.list(wanted))
        return _fresh(to_json(page(list(rows), int(limit))), MEDIA_TYPES["json"])

    async def _download(self, session_id: str, kind: str) -> Response:
        assert self._keeper

        def read(store: Store) -> str | None:
            stored = store.read(session_id)
            return write(stored, kind) if stored else None

        text = await self._keeper.ask(read)
        if text is None:
            return _unknown(session_id)
        return _fresh(text, MEDIA_TYPES[kind], Content_Disposition=f'attachment; filename="{session_id}.{kind}"')

    async def _recording(self, session_id: str) -> Response:
        assert self._keeper

        def read(store: Store) -> bytes | int | None:
            path = store.recording(session_id)
            size = path.stat().st_size if path else 0
            return size if not path or size > LARGEST else path.read_bytes()

        found = await self._keeper.ask(read)
        if isinstance(found, bytes):
            return respond(
                HTTPStatus.OK,
                found,
                "audio/wav",
                Cache_Control="no-store",
                Content_Disposition=f'attachment; filename="{session_id}.wav"',
            )
        if found:
            sentence = (
                f"the recording has {found >> 20} MiB, more than goes out in one answer; streamer transcripts export --format wav has it"
            )
            return respond(HTTPStatus.FORBIDDEN, sentence + "\n")
        return respond(HTTPStatus.NOT_FOUND, f"of {session_id[:40]!r} no audio is kept\n")

    async def _delete(self, session_id: str) -> Response:
        assert self._keeper
        deleted = await self._keeper.ask(lambda store: store.delete([session_id]))
        return respond(HTTPStatus.OK, f"{session_id} is deleted\n") if deleted else _unknown(session_id)


def _fresh(text: str, content_type: str, **more: str) -> Response:
    """What was said is kept in no browser's cache."""
    return respond(HTTPStatus.OK, text, content_type, Cache_Control="no-store", **more)


def _unknown(session_id: str) -> Response:
    return respond(HTTPStatus.NOT_FOUND, f"no transcript {session_id[:40]!r} is kept; it was never, or it was deleted\n")


def _wrong_method(*allowed: str) -> Response:
    return respond(HTTPStatus.METHOD_NOT_ALLOWED, f"only {' and '.join(allowed)} here\n", Allow=", ".join(allowed))
