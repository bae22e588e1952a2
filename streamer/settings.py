"""What an operator may set, typed and checked, and the only reader of the environment.

Each piece is defined beside the code it governs; here they are composed. An option beats the environment, which beats the file, which beats
the default.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from streamer.access.configured import AccessSettings, read_proxies
from streamer.access.origins import read_origins
from streamer.engine.device import EXPECTED, PRECISIONS, device_names
from streamer.engine.models import ModelSettings, usual_caches
from streamer.engine.scheduler import HUNG_S
from streamer.errors import ConfigurationError
from streamer.limits import Limits
from streamer.logs import FORMATS, LEVELS
from streamer.store.address import EXPECTED as EXPECTED_STORE
from streamer.store.address import read_address
from streamer.vad import choose
from streamer.wires.routes import BY_NAME

DEFAULT_PORT: Final = 8765
EMPTY_IS_UNSET: Final = {"model", "config", "keys", "token_secret", "tls_cert", "tls_key"}
"""Of names and files: a compose file passes on what is not set as nothing."""
EXPECTED_LISTEN: Final = "WIRE=PORT, several with commas between, of " + ", ".join(BY_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the commands need to know."""

    models: ModelSettings
    model: str | None = None
    device: str = "auto"
    precision: str = "auto"
    graphs: bool = True
    vad: str = choose.DEFAULT
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    listen: Mapping[str, int] = field(default_factory=dict)
    """Wires with a port of their own, for clients that know no path."""
    workers: int = 1
    """Gateway processes; with one, the engines are threads of the same process."""
    watchdog_s: int = int(HUNG_S)
    config: Path | None = None
    """A file of settings, which is read again when the server is asked to."""
    log_level: str = "info"
    log_format: str = "text"
    limits: Limits = field(default_factory=Limits)
    access: AccessSettings = field(default_factory=AccessSettings)
    store: str | None = None
    """Where transcripts are kept, if they are."""
    store_days: int = 0
    record: bool = False
    """Clients may ask for their audio to be kept too."""

    @property
    def cache(self) -> Path:
        return self.models.cache

    @property
    def offline(self) -> bool:
        return self.models.offline


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how its text becomes a value, and what to say when it cannot."""

    name: str
    field: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    expected: str


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _flag(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[text.lower()]


def _file(text: str) -> Path:
    return Path(text).expanduser()


def _device(text: str) -> str:
    if not device_names(text):
        raise ValueError(text)
    return text


def read_listen(text: str) -> dict[str, int]:
    """``vosk=2700,sherpa-onnx=6006``. Raises ``ValueError``."""
    ports = {}
    for part in filter(None, text.split(",")):
        name, _, port = part.partition("=")
        if name not in BY_NAME:
            raise ValueError(text)
        ports[name] = _integer(0, 65_535)(port)
    return ports


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return parse


CHANGING: Final = ("limits", "log_level", "log_format")
"""What may change while a server runs. Limits hold for sessions that begin from then on, and for who is let in."""

VARIABLES: Final = (
    Variable("STREAMER_CONFIG", "config", "", "a TOML file with any of these, read again on SIGHUP", Path, "a file"),
    Variable("STREAMER_HOST", "host", "127.0.0.1", "address to listen on", str, "an address"),
    Variable("STREAMER_PORT", "port", str(DEFAULT_PORT), "port to listen on; 0 lets the system choose", _integer(0, 65_535), "0 to 65535"),
    Variable(
        "STREAMER_LISTEN", "listen", "", "wires with a port of their own, as in vosk=2700,wyoming=10300", read_listen, EXPECTED_LISTEN
    ),
    Variable(
        "STREAMER_MODEL",
        "model",
        "SenseVoiceSmall, else bundled",
        "a model's name, or the folder of its weights",
        str,
        "a name or a folder",
    ),
    Variable("STREAMER_DEVICE", "device", "auto", "where the model runs; several with commas between, or cuda:all", _device, EXPECTED),
    Variable(
        "STREAMER_PRECISION",
        "precision",
        "auto",
        "how a GPU multiplies: float32, tf32 or bfloat16",
        _one_of(*PRECISIONS),
        ", ".join(PRECISIONS),
    ),
    Variable("STREAMER_CUDA_GRAPHS", "graphs", "yes", "record the forward pass of a GPU while warming up", _flag, "yes or no"),
    Variable(
        "STREAMER_VAD", "vad", choose.DEFAULT, "what finds speech: silero or webrtc", _one_of(*choose.NAMES), " or ".join(choose.NAMES)
    ),
    Variable(
        "STREAMER_WORKERS", "workers", "1", "processes that share the port; beyond 1 each device has one too", _integer(1, 256), "1 to 256"
    ),
    Variable("STREAMER_STORE", "store", "", f"where transcripts are kept: {EXPECTED_STORE}", read_address, EXPECTED_STORE),
    Variable(
        "STREAMER_STORE_DAYS",
        "store_days",
        "0",
        "days after which a session's transcript is deleted; 0 keeps it",
        _integer(0, 36_500),
        "0 to 36500",
    ),
    Variable("STREAMER_RECORD", "record", "no", "clients may have their audio kept beside a SQLite store", _flag, "yes or no"),
    Variable("STREAMER_CACHE", "cache", "~/.cache/streamer", "where downloaded weights are kept", Path, "a folder"),
    Variable("STREAMER_OFFLINE", "offline", "no", "never ask a model hub", _flag, "yes or no"),
    Variable(
        "STREAMER_MAX_SESSIONS", "max_sessions", str(Limits().max_sessions), "sessions at a time", _integer(1, 100_000), "1 to 100000"
    ),
    Variable(
        "STREAMER_MAX_QUEUE_S",
        "max_queue_s",
        f"{Limits().max_queue_s:g}",
        "seconds the engine may be behind before new sessions are refused; 0 for no bound",
        _number(0, 3_600),
        "0 to 3600",
    ),
    Variable(
        "STREAMER_IDLE_TIMEOUT_S",
        "idle_timeout_s",
        str(Limits().idle_timeout_s),
        "seconds without any message before a session is ended",
        _integer(1, 86_400),
        "1 to 86400",
    ),
    Variable(
        "STREAMER_MAX_SESSION_S",
        "max_session_s",
        str(Limits().max_session_s),
        "seconds a session may last; 0 for no bound",
        _integer(0, 31_536_000),
        "0 to 31536000",
    ),
    Variable(
        "STREAMER_RESUME_S",
        "resume_s",
        f"{Limits().resume_s:.0f}",
        "seconds for a client whose socket was lost to come back to its session",
        _integer(0, 3_600),
        "0 to 3600",
    ),
    Variable(
        "STREAMER_WATCHDOG_S",
        "watchdog_s",
        f"{HUNG_S:.0f}",
        "seconds for one batch before the engine counts as hung and is begun anew; 0 for ever",
        _integer(0, 3_600),
        "0 to 3600",
    ),
    Variable(
        "STREAMER_NOTICE_S",
        "notice_s",
        f"{Limits().notice_s:.0f}",
        "seconds between the word to clients that the server stops, and the end of their sessions",
        _integer(0, 3_600),
        "0 to 3600",
    ),
    Variable(
        "STREAMER_DRAIN_S",
        "drain_s",
        f"{Limits().drain_s:.0f}",
        "seconds for open segments to be finished when the server stops",
        _integer(0, 3_600),
        "0 to 3600",
    ),
    Variable("STREAMER_LOG_LEVEL", "log_level", "info", ", ".join(LEVELS), _one_of(*LEVELS), ", ".join(LEVELS)),
    Variable(
        "STREAMER_LOG_FORMAT", "log_format", "text", "lines for people, or json: an object each", _one_of(*FORMATS), " or ".join(FORMATS)
    ),
    Variable("STREAMER_KEYS", "keys", "", "file of keys; with it everybody needs one", _file, "a file"),
    Variable("STREAMER_TOKEN_SECRET", "token_secret", "", "file that tokens are signed with; made beside the keys", _file, "a file"),
    Variable("STREAMER_INSECURE", "insecure", "no", "let everybody in on other addresses than this machine's", _flag, "yes or no"),
    Variable(
        "STREAMER_ORIGINS",
        "origins",
        "",
        "pages elsewhere that may use the server, as in https://app.example",
        read_origins,
        "origins such as https://app.example, with commas between, or *",
    ),
    Variable("STREAMER_TLS_CERT", "tls_cert", "", "certificate in PEM, with its chain", _file, "a file"),
    Variable("STREAMER_TLS_KEY", "tls_key", "", "its key, where that is in another file", _file, "a file"),
    Variable(
        "STREAMER_PROXIES",
        "proxies",
        "",
        "addresses or networks whose X-Forwarded-For is believed",
        read_proxies,
        "addresses or networks with commas between",
    ),
    Variable(
        "STREAMER_MAX_SESSIONS_PER_KEY",
        "max_sessions_per_key",
        "0",
        "sessions of one key at a time; 0 for no bound",
        _integer(0, 100_000),
        "0 to 100000",
    ),
    Variable(
        "STREAMER_MAX_SESSIONS_PER_ADDRESS",
        "max_sessions_per_address",
        "0",
        "sessions of one address at a time; 0 for no bound",
        _integer(0, 100_000),
        "0 to 100000",
    ),
)


def read_settings(environment: Mapping[str, str], home: Path, config: Path | None = None) -> Settings:
    """Settings from a file and environment variables. Raises ``ConfigurationError`` with name, value and what was expected."""
    if config := config or (Path(named) if (named := environment.get("STREAMER_CONFIG")) else None):
        environment = {**_read_file(config), **environment, "STREAMER_CONFIG": str(config)}
    values: dict[str, Any] = {}
    for variable in VARIABLES:
        text = environment.get(variable.name)
        if text is None or (not text and variable.field in EMPTY_IS_UNSET):
            continue
        try:
            values[variable.field] = variable.parse(text)
        except (ValueError, KeyError):
            raise ConfigurationError(f"{variable.name} is {text!r}, expected {variable.expected}") from None
    models = ModelSettings(
        cache=values.pop("cache", _cache_home(environment, home) / "streamer").expanduser(),
        foreign_caches=_foreign_caches(environment, home),
        offline=values.pop("offline", False),
    )
    limits = Limits(**{limit.name: values.pop(limit.name) for limit in fields(Limits) if limit.name in values})
    access = AccessSettings(**{field.name: values.pop(field.name) for field in fields(AccessSettings) if field.name in values})
    return Settings(models=models, limits=limits, access=access, **values)


def read_again(settings: Settings) -> Settings:
    """What the file says now, beside the environment. Raises ``ConfigurationError``."""
    return read_settings(os.environ, Path.home(), settings.config)


def needs_restart(running: Settings, wanted: Settings) -> list[str]:
    """Names of settings that have changed and cannot while the server runs."""
    return [
        each.name for each in fields(Settings) if each.name not in CHANGING and getattr(running, each.name) != getattr(wanted, each.name)
    ]


def _read_file(path: Path) -> dict[str, str]:
    names = {variable.name for variable in VARIABLES} - {"STREAMER_CONFIG"}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}; expected TOML, as in STREAMER_MAX_SESSIONS = 200") from None
    for name, value in found.items():
        if name not in names:
            raise ConfigurationError(f"{path} has {name}, expected one of {', '.join(sorted(names))}")
        if not isinstance(value, str | int | float):
            raise ConfigurationError(f"{path} has {name} = {value!r}, expected a string, a number, true or false")
    return {name: str(value) for name, value in found.items()}


def _cache_home(environment: Mapping[str, str], home: Path) -> Path:
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache")


def _foreign_caches(environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Where ModelScope's and Hugging Face's own tools keep what they fetched, by the variables they document."""
    named = [Path(environment[name]) for name in ("MODELSCOPE_CACHE", "HF_HUB_CACHE") if environment.get(name)]
    if environment.get("HF_HOME"):
        named.append(Path(environment["HF_HOME"]) / "hub")
    return (*named, *usual_caches(home))
