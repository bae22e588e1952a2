"""What the logs look like: a line of text or of JSON for each event, with its numbers as fields. Never what anybody said, nor a secret.

A record brings its fields as ``extra={"fields": {...}}``; a session has one line when it opens and one when it closes.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from streamer.access.redaction import Redacting, redact

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")
NOISY: Final = ("websockets", "httpx")  # our own two lines a session say more; httpx would log signed download addresses


def configure_logging(level: str, style: str = "text") -> None:
    """Log to standard error from here on. May be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


class TextFormatter(Redacting):
    """For people: the fields follow the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items() if name != "session")
        return super().formatMessage(record) + (f": {fields}" if fields else "")


class JsonFormatter(logging.Formatter):
    """For machines: one object a line, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(told, ensure_ascii=False, default=str))
