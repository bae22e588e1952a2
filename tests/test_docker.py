"""The images and the compose file: read, not built. What a build would have to get right is checked line by line."""

import re
import ssl
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from json import loads
from pathlib import Path

import pytest
import yaml

from streamer.access.configured import AccessSettings, build_tls
from streamer.limits import Limits
from streamer.settings import VARIABLES

ROOT = Path(__file__).parents[1]
DOCKERFILES = ["docker/Dockerfile.cpu", "docker/Dockerfile.cuda"]

Stage = list[tuple[str, str]]
"""Instructions with their arguments, in order."""


def stages(path: str) -> list[Stage]:
    """The stages of a Dockerfile, without comments; what comes before the first FROM belongs to none."""
    text = "\n".join(line for line in (ROOT / path).read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, arguments = line.strip().partition(" ")
        if instruction == "FROM":
            found.append([])
        if instruction and found:
            found[-1].append((instruction, " ".join(arguments.split())))
    return found


def said(stage: Stage, instruction: str) -> list[str]:
    return [arguments for name, arguments in stage if name == instruction]


def environment(stage: Stage) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in said(stage, "ENV") for pair in line.split())


@pytest.fixture(params=DOCKERFILES)
def dockerfile(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_image_holds_the_environment_and_nothing_of_its_making(dockerfile: str) -> None:
    build, image = stages(dockerfile)
    assert said(build, "FROM") == ["python:${PYTHON}-bookworm AS build"]
    assert said(image, "FROM") == ["python:${PYTHON}-slim-bookworm"]
    assert said(image, "COPY") == ["--from=build /app/.venv .venv"]
    assert said(build, "WORKDIR") == said(image, "WORKDIR") == ["/app"]


def make_install() -> list[str]:
    """What `make install` runs, variables filled in: the recipes that make the environment, without its bookkeeping."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    variables = dict(re.findall(r"^(\w+)\s*[:?]?=[ \t]*(.*)$", text, re.MULTILINE))
    while (filled := re.sub(r"\$\((\w+)\)", lambda name: variables.get(name[1], name[0]), text)) != text:
        text = filled
    recipes = dict(re.findall(r"^(\S+):[^=\n]*\n((?:\t.*\n)+)", filled, re.MULTILINE))
    lines = (recipes[".venv/.created"] + recipes[".venv/.installed"]).split("\n")
    return [line.strip() for line in lines if line and "touch" not in line]


def test_the_steps_are_those_of_make(dockerfile: str) -> None:
    """But for a quiet terminal, and for an editable installation, which would need the sources."""
    build, _ = stages(dockerfile)
    steps = [step for line in said(build, "RUN") for step in re.sub(r"--mount=\S+ ", "", line).split(" && ")]
    assert steps == [re.sub(r" --quiet| --editable|(?<=^python)3", "", line) for line in make_install()]
    assert steps[-1] == '.venv/bin/python -m pip install -c constraints.txt ".[all]"'


def test_what_is_installed_is_let_into_the_build_and_nothing_else(dockerfile: str) -> None:
    build, _ = stages(dockerfile)
    copied = {name.rstrip("/") for line in said(build, "COPY") for name in line.split()[:-1]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {folder.split("/")[0] for folder in project["tool"]["setuptools"]["package-dir"].values()}
    assert copied == folders | {"pyproject.toml", "constraints.txt", project["project"]["readme"]}


def test_it_runs_as_a_numbered_user_who_owns_the_volume(dockerfile: str) -> None:
    _, image = stages(dockerfile)
    assert said(image, "USER") == ["10001:10001"]
    assert "RUN" not in [name for name, _ in image[image.index(("USER", "10001:10001")) :]]
    assert any("--uid 10001" in line and "install -d -o streamer -g streamer /models" in line for line in said(image, "RUN"))
    assert said(image, "VOLUME") == ["/models"] == [environment(image)["STREAMER_CACHE"]]


def test_it_serves_all_interfaces_on_the_port_it_exposes_and_stops_on_sigterm(dockerfile: str) -> None:
    _, image = stages(dockerfile)
    settings = environment(image)
    assert (settings["STREAMER_HOST"], settings["STREAMER_PORT"]) == ("0.0.0.0", "8765")
    assert said(image, "EXPOSE") == ["8765"]
    assert said(image, "STOPSIGNAL") == ["SIGTERM"]
    assert (said(image, "ENTRYPOINT"), said(image, "CMD")) == (['["streamer"]'], ['["serve"]'])


def test_the_gpu_image_takes_pypis_torch_and_insists_on_the_gpu() -> None:
    (cpu_build, cpu), (cuda_build, cuda) = stages(DOCKERFILES[0]), stages(DOCKERFILES[1])
    assert said(cpu_build, "ARG") == ["TORCH_INDEX=https://download.pytorch.org/whl/cpu"]
    assert said(cuda_build, "ARG") == []
    assert (environment(cpu)["STREAMER_DEVICE"], environment(cuda)["STREAMER_DEVICE"]) == ("cpu", "cuda:0")
    assert environment(cuda)["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    differing = {"PIP_EXTRA_INDEX_URL", "STREAMER_DEVICE", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "TRITON_CACHE_DIR"}
    compiler = [("RUN", line) for line in said(cuda, "RUN") if "install -y --no-install-recommends gcc libc6-dev" in line]  # for Triton
    assert len(compiler) == 1
    assert environment(cuda)["TRITON_CACHE_DIR"] == "/models/triton"  # in the volume
    for one, other, own in ((cpu_build, cuda_build, []), (cpu, cuda, compiler)):
        shared = [line for line in other if line[0] not in ("ARG", "ENV") and line not in own]
        assert [line for line in one if line[0] not in ("ARG", "ENV")] == shared
        assert {*environment(one).items()} ^ {*environment(other).items()} <= {
            pair for pair in {*environment(one).items(), *environment(other).items()} if pair[0] in differing
        }


@contextmanager
def server_that_answers(status: int, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free port that answers ``/readyz`` with this status and everything else with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True) if tls else server.socket
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(dockerfile: str, port: int, **more: str) -> int:
    """The exit code of the image's health check."""
    _, image = stages(dockerfile)
    (line,) = said(image, "HEALTHCHECK")
    python, *arguments = loads(line[line.index("CMD ") + 4 :])
    assert python == "python"
    # A proxy in the environment must not stand between the two.
    variables = {"STREAMER_PORT": str(port), "http_proxy": "http://127.0.0.1:9", **more}
    return subprocess.run([sys.executable, *arguments], env=variables, capture_output=True, timeout=30, check=False).returncode


def test_the_health_check_tells_ready_from_warming_and_from_dead(dockerfile: str) -> None:
    with server_that_answers(200) as port:
        assert check(dockerfile, port) == 0
    with server_that_answers(503) as port:
        assert check(dockerfile, port) == 1
    assert check(dockerfile, port) == 1


def test_the_health_check_speaks_tls_where_the_server_does(dockerfile: str, certificate: tuple[Path, Path]) -> None:
    with server_that_answers(200, build_tls(AccessSettings(tls_cert=certificate[0], tls_key=certificate[1]))) as port:
        assert check(dockerfile, port, STREAMER_TLS_CERT=str(certificate[0])) == 0


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_each_service_keeps_its_models_restarts_and_has_time_to_finish(compose: dict, name: str) -> None:
    service = compose["services"][name]
    assert service["build"] == {"context": "..", "dockerfile": f"docker/Dockerfile.{name}"}
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert service["ports"] == ["127.0.0.1:${STREAMER_PORT:-8765}:8765"]
    assert service["volumes"] == ["models:/models"]
    assert "models" in compose["volumes"]
    assert (service["init"], service["restart"], service["stop_grace_period"]) == (True, "unless-stopped", "60s")
    _, image = stages(service["build"]["dockerfile"])
    patience = " ".join(f"--{key.replace('_', '-')}={value}" for key, value in service["healthcheck"].items())
    assert said(image, "HEALTHCHECK")[0].startswith(patience + " CMD ")


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_every_setting_is_the_images_or_the_shells(compose: dict, name: str) -> None:
    _, image = stages(f"docker/Dockerfile.{name}")
    own = {key for key in environment(image) if key.startswith("STREAMER_")}
    passed = {line.partition("=")[0] for line in compose["services"][name]["environment"]}
    assert own | passed == {variable.name for variable in VARIABLES}
    assert not own & passed


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_nobody_is_let_in_by_oversight(compose: dict, name: str) -> None:
    """The image alone does not begin without keys; the compose file says that it may, and shows it to this machine only."""
    _, image = stages(f"docker/Dockerfile.{name}")
    assert "STREAMER_INSECURE" not in environment(image)
    service = compose["services"][name]
    assert "STREAMER_INSECURE=yes" in service["environment"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_docker_waits_longer_than_the_server_drains(compose: dict) -> None:
    assert float(compose["services"]["cpu"]["stop_grace_period"].rstrip("s")) > Limits().notice_s + Limits().drain_s


def test_the_cpu_is_the_default_and_the_gpu_is_asked_for(compose: dict) -> None:
    assert "profiles" not in compose["services"]["cpu"]
    assert compose["services"]["cuda"]["profiles"] == ["cuda"]
    assert compose["services"]["cuda"]["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]
