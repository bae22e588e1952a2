"""Keys and tokens taken out of what is logged. Nothing of ours logs one; a library's traceback may quote a request line."""

import logging
import re
from typing import Final

from streamer.access.credentials import QUERY

SHOWN: Final = "[secret]"
SECRETS: Final = re.compile(
    r"(?i)"
    rf"(?P<before>(?:[?&]|\b)(?:{'|'.join(QUERY)})=|streamer-key\.|openai-insecure-api-key\.|"
    r"(?:x-api-key|api-key|authorization)['\"]?[:=]\s*['\"]?(?:(?:bearer;?|token|basic)\s+)?|\bbearer;?\s+)[^\s'\"&,;]+"
    r"|streamer_[\w-]{43}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]+"
)


def redact(text: str) -> str:
    return SECRETS.sub(lambda found: (found["before"] or "") + SHOWN, text)


class Redacting(logging.Formatter):
    """Formats as ever, tracebacks too, and then takes the secrets out."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
