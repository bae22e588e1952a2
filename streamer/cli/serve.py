"""`streamer serve`: listen, load the model, say where and what, serve until told to stop."""

import argparse
import asyncio
import logging
import signal
import sys
from dataclasses import replace

from streamer import __version__
from streamer.engine import Engine
from streamer.engine.load import load_engine
from streamer.engine.models import Models
from streamer.engine.scheduler import Health
from streamer.server import Server
from streamer.settings import Settings
from streamer.vad import choose


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8765; 0 lets the system choose)")
    parser.add_argument(
        "--model", help="a model's name (sensevoice, bundled, miniature) or the folder of its weights (default: SenseVoiceSmall)"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--vad", choices=choose.NAMES, help=f"what finds speech (default: {choose.DEFAULT})")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    logging.basicConfig(level=arguments.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("websockets", "httpx"):  # our own two lines a session say more; httpx would log signed download addresses
        logging.getLogger(noisy).setLevel(logging.WARNING)
    given = {name: value for name in ("host", "port", "model", "device", "vad") if (value := getattr(arguments, name)) is not None}
    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        return asyncio.run(serve(replace(settings, **given)))
    return uvloop.run(serve(replace(settings, **given)))


async def serve(settings: Settings) -> int:
    """Until SIGINT or SIGTERM. Returns the exit code."""
    judge = choose.choose_judge(settings.vad)
    server = Server(lambda: _build(settings), judge, host=settings.host, port=settings.port, limits=settings.limits)
    try:
        await server.start()
    except OSError as error:
        print(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; choose another with --port", file=sys.stderr)
        return 1
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print(f"streamer {__version__} listens on {server.address} (open it in a browser); clients connect to {_socket(server)}", flush=True)
    announce = asyncio.create_task(_announce(server, stop))
    await stop.wait()
    announce.cancel()
    failure = server.scheduler.failure
    await server.stop()
    if failure:
        print(f"the model could not be loaded: {failure}", file=sys.stderr)
    return 1 if failure else 0


def _build(settings: Settings) -> Engine:
    """Find and load the model, in the thread that will own it, so that the page and /healthz answer meanwhile."""
    found = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr, flush=True)).find(settings.model)
    return load_engine(found, settings.device)


async def _announce(server: Server, stop: asyncio.Event) -> None:
    await server.settled.wait()
    if server.scheduler.health is not Health.WARM:
        stop.set()
        return
    info, warm = server.scheduler.info, server.scheduler.warm_up
    assert info
    assert warm
    print(f"model: {info.name} on {info.device}, warm after {warm.seconds:.1f} s and {len(warm.forwards)} forward passes", flush=True)
    if info.notice:
        print(f"notice: {info.notice}", flush=True)


def _socket(server: Server) -> str:
    return server.address.replace("http", "ws", 1) + "/ws"
