"""`streamer serve`: listen, load the model, say where and what, serve until told to stop."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from streamer import __version__
from streamer.access.configured import build_guard, build_tls, require_safe
from streamer.cli.bench_output import count
from streamer.cli.build import builds
from streamer.cli.transcripts import store_address
from streamer.configured import ConfiguredServer
from streamer.engine.device import PRECISIONS
from streamer.engine.placement import in_threads
from streamer.engine.scheduler import Health
from streamer.engine.scheduling import Scheduling
from streamer.errors import ConfigurationError
from streamer.logs import FORMATS, LEVELS, configure_logging
from streamer.settings import EXPECTED_LISTEN, Settings, needs_restart, read_again, read_listen
from streamer.store.address import EXPECTED as EXPECTED_STORE
from streamer.store.address import open_store, sqlite_path
from streamer.vad import choose
from streamer.wires.routes import BY_NAME
from streamer.workers.supervisor import Supervisor

logger: Final = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8765; 0 lets the system choose)")
    parser.add_argument(
        "--listen", type=listen, metavar="WIRE=PORT,…", help="ports for wires whose clients know no path, as in vosk=2700,wyoming=10300"
    )
    parser.add_argument(
        "--model", help="a model's name (sensevoice, bundled, miniature) or the folder of its weights (default: SenseVoiceSmall)"
    )
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N; several with commas between, or cuda:all (default: auto)")
    parser.add_argument("--precision", choices=PRECISIONS, help="how a GPU multiplies (default: auto, which is TF32 where there is it)")
    parser.add_argument(
        "--cuda-graphs", dest="graphs", action=argparse.BooleanOptionalAction, help="record the forward pass of a GPU (default: yes)"
    )
    parser.add_argument("--vad", choices=choose.NAMES, help=f"what finds speech (default: {choose.DEFAULT})")
    parser.add_argument(
        "--workers", type=count, metavar="N", help="gateways on the port, and one process for each device (default: 1, all in one)"
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", help="everybody needs one of these keys; see `streamer keys`")
    parser.add_argument("--insecure", action="store_true", default=None, help="let everybody in on another address than this machine's")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate in PEM, with its chain")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, where that is in another file")
    parser.add_argument("--store", type=store_address, metavar="URL", help=f"keep transcripts: {EXPECTED_STORE} (default: none are kept)")
    parser.add_argument(
        "--record",
        action=argparse.BooleanOptionalAction,
        help="let clients ask for their audio to be kept beside a SQLite store (default: no)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings in TOML, named like the variables; SIGHUP reads it again (docs/operations.md)"
    )
    parser.add_argument("--log-level", choices=LEVELS, help="(default: info)")
    parser.add_argument("--log-format", choices=FORMATS, help="lines for people, or a JSON object each (default: text)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    settings = with_options(arguments, settings)
    configure_logging(settings.log_level, settings.log_format)
    require_safe(settings.access, settings.host, [name for name in settings.listen if BY_NAME[name].tcp])

    def read() -> Settings:
        return with_options(arguments, read_again(settings))

    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        return asyncio.run(serve(settings, read))
    return uvloop.run(serve(settings, read))


def with_options(arguments: argparse.Namespace, settings: Settings) -> Settings:
    """An option beats what was read."""
    names = (
        "host",
        "port",
        "listen",
        "model",
        "device",
        "precision",
        "graphs",
        "vad",
        "workers",
        "store",
        "record",
        "log_level",
        "log_format",
    )
    access = replace(settings.access, **_said(arguments, ("keys", "insecure", "tls_cert", "tls_key")))
    return replace(settings, access=access, **_said(arguments, names))


def _said(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def listen(text: str) -> dict[str, int]:
    try:
        return read_listen(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {EXPECTED_LISTEN}") from None


class Service(Protocol):
    """A server, in one process or in several."""

    @property
    def address(self) -> str: ...
    @property
    def ports(self) -> Mapping[str, int]: ...
    @property
    def scheduler(self) -> Scheduling: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def reload(self, settings: Settings) -> None:
        """Take over what may change."""


def service(settings: Settings) -> Service:
    """Raises ``ConfigurationError``."""
    if settings.record and not sqlite_path(settings.store or ""):
        raise ConfigurationError(
            f"audio is recorded beside a SQLite store, and there is {'another' if settings.store else 'none'}; say --store sqlite:PATH too"
        )
    if settings.store:
        open_store(settings.store)  # what cannot be had is told before anybody speaks; later it is told with each final
    if settings.workers == 1:
        return ConfiguredServer(settings, in_threads(*builds(settings), hung_s=settings.watchdog_s))
    choose.choose_judge(settings.vad)  # each gateway has its own, but one that cannot be had is told here and once
    build_guard(settings.access)  # and so are these
    build_tls(settings.access)
    return Supervisor(settings, builds(settings))


async def serve(settings: Settings, read: Callable[[], Settings]) -> int:
    """Until SIGINT or SIGTERM. Returns the exit code. ``read`` gives the settings anew."""
    server = service(settings)
    try:
        await server.start()
    except OSError as error:
        ports = " and ".join(map(str, (settings.port, *settings.listen.values())))
        options = "another with --port" if not settings.listen else "others with --port and --listen"
        print(f"cannot listen on {settings.host} port {ports}: {error.strerror}; choose {options}", file=sys.stderr)
        return 1
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if settings.config:  # without a file there is nothing to read again, and a terminal that is closed ends what it began
        loop.add_signal_handler(signal.SIGHUP, reload, server, settings, read)
    print(f"streamer {__version__} listens on {server.address} (open it in a browser); clients connect to {_socket(server)}", flush=True)
    for name, port in server.ports.items():
        print(f"{name} has port {port} of its own", flush=True)
    announce(server.scheduler, stop.set)
    await stop.wait()
    failure = server.scheduler.failure
    await server.stop()
    if failure:
        print(f"the model could not be loaded: {failure}", file=sys.stderr)
    return 1 if failure else 0


def reload(server: Service, running: Settings, read: Callable[[], Settings]) -> None:
    """Read the settings again, and say what came of it. A file that cannot be read changes nothing."""
    try:
        settings = read()
    except ConfigurationError as error:
        logger.error("the settings stay as they were: %s", error)
        return
    configure_logging(settings.log_level, settings.log_format)
    server.reload(settings)
    for name in needs_restart(running, settings):
        logger.warning("%s has changed in %s, which takes a restart", name, settings.config)
    logger.info("settings were read again from %s", settings.config)


def announce(scheduler: Scheduling, stop: Callable[[], None]) -> None:
    """Say of each device what runs on it, once it does; ``stop`` where none can be used. Call it when the scheduler has just started."""
    waiting = set(range(len(scheduler.devices)))

    def settled(number: int, health: Health) -> None:
        if number not in waiting or health not in (Health.WARM, Health.FAILED):
            return
        waiting.remove(number)
        device = scheduler.devices[number]
        if health is Health.WARM:
            _say(device)
        elif scheduler.health is Health.FAILED:
            stop()
        else:
            print(f"a device is not used, because the model could not be loaded there: {device.failure}", file=sys.stderr, flush=True)

    for number, device in enumerate(scheduler.devices):
        device.on_health(partial(settled, number))
        settled(number, device.health)


def _say(device: Scheduling) -> None:
    info, warm = device.info, device.warm_up
    assert info
    assert warm
    print(f"model: {info.name} on {info.device}, warm after {warm.seconds:.1f} s and {len(warm.forwards)} forward passes", flush=True)
    if info.notice:
        print(f"notice: {info.notice}", flush=True)


def _socket(server: Service) -> str:
    return server.address.replace("http", "ws", 1) + "/ws"
