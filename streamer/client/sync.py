"""The same without asyncio: a loop in a thread of its own, and a call for each event."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from streamer.client.sources import Given
from streamer.client.transcription import Transcription, transcribe
from streamer.core.events import Message

Result = TypeVar("Result")


class _Loop:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="streamer client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """From any other thread. Who is interrupted while waiting gives the work up."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncTranscription:
    """As ``Transcription``: iterate for events. Its other methods may be called from another thread meanwhile."""

    def __init__(self, loop: _Loop, inner: Transcription) -> None:
        self._loop, self._inner = loop, inner
        self.created = inner.created

    def __iter__(self) -> Iterator[Message]:
        while (event := self._loop.run(_next(self._inner))) is not None:
            yield event

    def configure(self, **changes: Any) -> None:
        self._loop.run(self._inner.configure(**changes))

    def flush(self) -> int:
        return self._loop.run(self._inner.flush())

    def stop(self) -> None:
        self._loop.run(self._inner.stop())


@contextmanager
def transcribe_sync(url: str, source: Given, **options: Any) -> Iterator[SyncTranscription]:
    """``with transcribe_sync(url, "talk.mp3") as events: for event in events: …``; options and errors are those of ``transcribe``."""
    loop = _Loop()
    try:
        context = transcribe(url, source, **options)
        inner = loop.run(_enter(context))
        try:
            yield SyncTranscription(loop, inner)
        finally:
            loop.run(_leave(context))
    finally:
        loop.close()


async def _next(inner: Transcription) -> Message | None:
    return await anext(inner, None)


async def _enter(context: Any) -> Transcription:
    entered: Transcription = await context.__aenter__()
    return entered


async def _leave(context: Any) -> None:
    await context.__aexit__(None, None, None)
