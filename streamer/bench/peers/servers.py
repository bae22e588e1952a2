"""The servers: what each needs, how it is started, and why it is not where it cannot be."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from streamer.bench.load.local import local_server
from streamer.bench.peers import sherpa
from streamer.bench.peers.wires import FunasrRealtime, Native, SherpaOffline, WhisperLiveKit, Wire
from streamer.engine.device import installed
from streamer.errors import ConfigurationError

READY_S: Final = 180.0  # models are loaded before anybody listens
STOPPED_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a server may use: the checkpoint, a folder for what is made of it, the environments, and an FSMN-VAD's folder."""

    model: Path
    work: Path
    environments: Path
    detector: Path | None
    device: str
    threads: int

    def program(self, peer: str, name: str) -> Path:
        return self.environments / peer / ("Scripts" if sys.platform == "win32" else "bin") / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``missing`` gives the reason, in a sentence, where it cannot run; ``packages`` are what an environment of its own has."""

    wire: Wire
    command: Callable[[Place, int], list[str]]
    missing: Callable[[Place], str | None]
    packages: tuple[str, ...] = ()
    partials: bool = True


def _sherpa(place: Place, port: int) -> list[str]:
    graph, tokens = place.work / "sherpa.onnx", place.work / "tokens.txt"
    if not graph.is_file():
        sherpa.export(place.model, place.work)
    words = [str(place.program("sherpa-onnx", "sherpa-onnx-offline-websocket-server")), f"--port={port}", f"--num-threads={place.threads}"]
    words += [f"--tokens={tokens}", f"--sense-voice-model={graph}", "--sense-voice-use-itn=true", f"--log-file={place.work / 'sherpa.log'}"]
    return words


def _funasr(place: Place, port: int) -> list[str]:
    asked = (str(place.model), str(place.detector), port, place.device, place.threads)
    return [sys.executable, "-c", f"from streamer.bench.peers.funasr_realtime import serve; serve{asked!r}"]


def _whisperlivekit(place: Place, port: int) -> list[str]:
    program = str(place.program("whisperlivekit", "whisperlivekit-server"))
    words = [program, "--host", "127.0.0.1", "--port", str(port), "--backend", "funasr", "--backend-policy", "localagreement"]
    return [*words, "--model_dir", str(place.model), "--lan", "auto", "--pcm-input", "--log-level", "WARNING", "--warmup-file", ""]


def _without_environment(peer: str, program: str, *, gpu: bool) -> Callable[[Place], str | None]:
    def missing(place: Place) -> str | None:
        if not place.program(peer, program).is_file():
            return f"not installed: streamer bench peers --setup {peer}"
        return None if gpu or place.device == "cpu" else f"its package on the index is for CPUs, and --device is {place.device}"

    return missing


def _without_detector(place: Place) -> str | None:
    if not installed("torch", "funasr"):
        return "funasr is not installed: pip install '.[torch]'"
    if place.detector is None:
        return "it needs the folder of an FSMN-VAD, which funasr would fetch from its hub: name one with --detector"
    return None


SERVERS: Final = {
    "funasr-realtime": Server(wire=FunasrRealtime(), command=_funasr, missing=_without_detector),
    "sherpa-onnx": Server(
        wire=SherpaOffline(),
        command=_sherpa,
        missing=_without_environment("sherpa-onnx", "sherpa-onnx-offline-websocket-server", gpu=False),
        packages=("sherpa-onnx==2.0.1", "sherpa-onnx-bin==2.0.1"),
        partials=False,
    ),
    "whisperlivekit": Server(
        wire=WhisperLiveKit(),
        command=_whisperlivekit,
        missing=_without_environment("whisperlivekit", "whisperlivekit-server", gpu=True),
        packages=("whisperlivekit[funasr]==0.2.26", "kaldi-native-fbank"),
    ),
}
WITH_PARTIALS: Final = "streamer"
FINALS_ONLY: Final = "streamer, finals only"
OURS: Final = {WITH_PARTIALS: Native(), FINALS_ONLY: Native(partials=False)}


def set_up(peer: str, environments: Path) -> Path:
    """An environment for a peer, because their pins fight with ours. Raises ``ConfigurationError``."""
    known = {name: server.packages for name, server in SERVERS.items() if server.packages}
    if peer not in known:
        raise ConfigurationError(f"--setup is {peer!r}, expected one of: {', '.join(known)}")
    folder = environments / peer
    packages = [*known[peer], *(_our_torch() if peer == "whisperlivekit" else ())]
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    commands = [[sys.executable, "-m", "venv", str(folder)], [python, "-m", "pip", "install", "--quiet", *packages]]
    if (
        peer == "whisperlivekit"
    ):  # torchaudio's wheel is for CUDA alone, and where it does not load funasr does not; the features come from the other package
        commands.append([python, "-m", "pip", "uninstall", "--quiet", "--yes", "torchaudio"])
    for command in commands:
        if code := subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise ConfigurationError(f"{peer} could not be installed ({' '.join(command)} ended with {code}); its own words are above")
    return folder


def _our_torch() -> Iterator[str]:
    """The version that we run, so that both run the same."""
    try:
        yield f"torch=={version('torch').partition('+')[0]}"
    except PackageNotFoundError:
        return


@contextmanager
def running(name: str, place: Place) -> Iterator[tuple[str, int, Wire]]:
    """Address, process and wire of a server that listens; gone on exit. Raises ``ConfigurationError`` where it does not come up."""
    if name in OURS:
        with local_server(str(place.model), place.device, sessions=1000) as ours:
            yield ours.address.replace("http", "ws", 1), ours.pid, OURS[name]
        return
    server, port = SERVERS[name], _free_port()
    with subprocess.Popen(server.command(place, port), stdout=sys.stderr) as process:
        try:
            _until_open(name, process, port)
            yield f"ws://127.0.0.1:{port}", process.pid, server.wire
        finally:
            process.terminate()
            try:
                process.wait(STOPPED_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _until_open(name: str, process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0):
                return
        except OSError:
            time.sleep(0.2)
    raise ConfigurationError(f"{name} did not listen within {READY_S:.0f} s (exit code {process.poll()}); its own words are above")
