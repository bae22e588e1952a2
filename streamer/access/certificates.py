"""The server's certificate, read again whenever its files change: it lasts for weeks, and the server runs for months."""

import logging
import ssl
from pathlib import Path
from typing import Final

from streamer.access.watched import State, state_of
from streamer.errors import ConfigurationError

logger: Final = logging.getLogger(__name__)


def tls_with(cert: Path, key: Path | None) -> ssl.SSLContext:
    """For a server. ``key`` may be in the certificate's own file. Raises ``ConfigurationError``.

    Each handshake looks at the files. Where they have changed and cannot be used (a renewal may be half written), clients are still met
    with the certificate before, and that is logged.
    """
    newest = _Newest(cert, key)
    context = newest.context
    context.sni_callback = newest.choose
    return context


class _Newest:
    """The newest certificate that could be used."""

    def __init__(self, cert: Path, key: Path | None) -> None:
        self._cert, self._key = cert, key
        self._seen = self._state()
        self.context = _load(cert, key)

    def choose(self, client: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called once in every handshake, whether the client names the server or not."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self.context = _load(self._cert, self._key)
                logger.info("the certificate was read again from %s", self._cert)
            except ConfigurationError as error:
                logger.error("%s; clients are met with the one before", error)
        client.context = self.context

    def _state(self) -> tuple[State | None, ...]:
        return tuple(state_of(path) for path in (self._cert, self._key) if path)


def _load(cert: Path, key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificate in {cert} with the key in {key or 'the same file'} cannot be used ({error.strerror or error}); "
            "expected PEM files that belong together, which the server may read"
        ) from None
    return context
