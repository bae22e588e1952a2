"""Audio through a session without a socket: what the command line uses for files, with the server's own parts."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress

from streamer import __version__
from streamer.core.events import Audio, Closed, Message, SessionInfo, Start, State, Stop
from streamer.engine.scheduling import Scheduling
from streamer.judging import Inline
from streamer.media import ContainerDecoder
from streamer.runner import Runner
from streamer.vad import Judge


async def transcribe_stream(
    scheduler: Scheduling, judge: Judge, start: Start, chunks: AsyncIterable[bytes], *, session_id: str = "local"
) -> AsyncIterator[Message]:
    """Messages of one session that hears ``chunks`` as fast as it is answered; the last one is ``Closed``.

    The scheduler must be warm and deliver to the running loop. What ``chunks`` raises is raised here, after the session was let go.
    """
    assert scheduler.info, "the scheduler is not warm"
    messages: asyncio.Queue[Message] = asyncio.Queue()
    info = SessionInfo(
        session_id=session_id, server=f"streamer {__version__}", model=scheduler.info, frame_samples=judge.frame_samples, limits={}
    )
    runner = Runner(
        info,
        judge=Inline(judge),
        scheduler=scheduler,
        open_decoder=ContainerDecoder,
        send=messages.put_nowait,
        close=lambda code, reason: None,
    )

    async def feed() -> None:
        await runner.feed(start)
        async for data in chunks:
            if runner.state is State.CLOSED:
                return
            await runner.feed(Audio(data))
        await runner.feed(Stop())

    feeding = asyncio.create_task(feed())
    try:
        while True:
            getting = asyncio.ensure_future(messages.get())
            await asyncio.wait([getting, feeding] if not feeding.done() else [getting], return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and not getting.done():
                feeding.result()
            message = await getting
            yield message
            if isinstance(message, Closed):
                return
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding
        runner.gone()
        await runner.wait_released()
