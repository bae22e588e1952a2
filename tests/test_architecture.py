"""A room is a permission: what each folder must never import, and that nothing happens at import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "streamer"

CONCRETE = (
    "torch funasr onnxruntime webrtcvad streamer.engine.sensevoice streamer.engine.bundled streamer.engine.scripted "
    "streamer.vad.silero streamer.vad.webrtc"
)
OUTSIDE = "streamer.settings streamer.engine streamer.vad streamer.wires streamer.server"
NEVER = {
    "core": f"asyncio threading time logging os websockets torch funasr {OUTSIDE}",
    "wires": "asyncio websockets torch funasr streamer.engine streamer.server",
    "engine": "websockets streamer.server streamer.wires streamer.core.session",
    "engine/scheduler.py": "torch funasr numpy",
    "engine/placement.py": "torch funasr numpy threading time asyncio",
    "engine/queue.py": "torch funasr numpy threading time",
    "server.py": CONCRETE,
    "hosting.py": CONCRETE,
    "connection.py": CONCRETE,
    "runner.py": f"{CONCRETE} websockets",
    "voice.py": CONCRETE,
    "voices.py": CONCRETE,
    "access": f"asyncio threading websockets torch funasr streamer.settings streamer.engine streamer.wires streamer.server {CONCRETE}",
    "store": "asyncio websockets torch funasr streamer.settings streamer.engine streamer.vad streamer.server streamer.connection",
    "transcripts.py": CONCRETE,
    "workers": CONCRETE,
    "workers/arena.py": "asyncio",
    "workers/messages.py": "asyncio streamer.server streamer.settings",
    "workers/engine.py": "websockets streamer.server streamer.connection",
    "workers/tally.py": "asyncio streamer.server streamer.settings",
    "client": f"{CONCRETE} streamer.server streamer.engine streamer.cli streamer.bench streamer.settings",
    "client/journal.py": "asyncio websockets",
    "client/timeline.py": "asyncio websockets",
    "client/reading.py": "asyncio websockets",
    "vad": "asyncio websockets torch streamer.engine streamer.wires streamer.server",
}


def imports(path):
    """Every module a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", NEVER)
def test_a_room_keeps_to_its_permissions(room):
    place = PACKAGE / room
    files = [place] if place.suffix else sorted(place.rglob("*.py"))
    assert files
    forbidden = NEVER[room].split()
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if any(name == never or name.startswith(never + ".") for never in forbidden)
    ]

    assert found == []


def test_only_the_door_and_the_settings_read_arguments_and_environment():
    readers = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("sys", "argv")}:
                    readers.append(path.relative_to(PACKAGE).as_posix())

    assert set(readers) <= {"settings.py", "__main__.py"}


@pytest.mark.parametrize(
    "module", ["streamer.server", "streamer.__main__", "streamer.cli.serve", "streamer.engine.models", "streamer.local", "streamer.client"]
)
def test_importing_the_server_loads_no_model_library(module):
    heavy = "torch onnxruntime funasr moonshine_voice av modelscope transformers"
    code = f"import sys, {module}; print([name for name in {heavy.split()} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)

    assert found.stdout.strip() == "[]"
