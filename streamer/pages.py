"""What the port answers to plain HTTP: the page, health, readiness, metrics; and the sentence for everything else."""

import mimetypes
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Response

PAGE_TYPES: Final = {".html", ".css", ".js", ".svg", ".webmanifest", ".png", ".ico"}
SECURITY: Final = {
    # The page needs its own files, its own server, which 'self' means for sockets too, and a microphone.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), screen-wake-lock=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def respond(status: HTTPStatus, body: bytes | str, content_type: str = "text/plain; charset=utf-8", **more: str) -> Response:
    """A whole answer, after which the connection is closed."""
    data = body.encode() if isinstance(body, str) else body
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(data)), "Connection": "close", **SECURITY})
    for name, value in more.items():
        headers[name.replace("_", "-")] = value
    return Response(status.value, status.phrase, headers, data)


class Pages:
    """The files of the page, read once when the server starts."""

    def __init__(self, folder: Path) -> None:
        self._files: Mapping[str, tuple[bytes, str]] = {
            "/" + path.relative_to(folder).as_posix(): (path.read_bytes(), _content_type(path))
            for path in sorted(folder.rglob("*"))
            if path.suffix in PAGE_TYPES
        }

    def get(self, path: str) -> Response | None:
        found = self._files.get("/index.html" if path == "/" else path)
        return respond(HTTPStatus.OK, found[0], found[1], Cache_Control="no-cache") if found else None


def page_folder() -> Path:
    """Where the page lies: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "web_client"
    return inside if inside.is_dir() else package.parent / "web_client"


def _content_type(path: Path) -> str:
    if path.suffix == ".js":
        return "text/javascript; charset=utf-8"  # some systems' tables say text/plain, and modules then do not load
    if path.suffix == ".webmanifest":
        return "application/manifest+json"
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return kind + "; charset=utf-8" if kind.startswith("text/") else kind
