"""The numbers of one session: to the metrics as they arise, and into one line of the log when it opens and one when it is over."""

import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

from streamer.core.events import Closed, ErrorSent, Message, Partial, SpeechEnded, SpeechStarted
from streamer.core.events import Final as FinalMessage
from streamer.metrics import Metrics
from streamer.wires.native import MESSAGE_TYPES

logger: Final = logging.getLogger(__name__)

LAGS: Final = 1_000  # finals of which a session remembers how late they were


class Numbers:
    """``known`` is what is told of the session in both lines, its id as ``session`` among it."""

    def __init__(self, metrics: Metrics, known: Mapping[str, str]) -> None:
        self._metrics, self._known = metrics, known
        self._began = time.monotonic()
        self._opened: dict[int, float] = {}  # when each segment began, until its first partial is sent
        self._ended: dict[int, float] = {}  # when each segment ended, until its final is sent
        self._lags: deque[float] = deque(maxlen=LAGS)
        self._reason = "lost"
        self.audio_ms = 0
        """That has been counted."""
        logger.info("session %s opened", known["session"], extra={"fields": known})

    def arose(self, message: Message) -> None:
        """A message is about to be sent."""
        match message:
            case SpeechStarted(segment=segment):
                self._opened[segment] = time.monotonic()
            case SpeechEnded(segment=segment):
                self._ended[segment] = time.monotonic()
                self._opened.pop(segment, None)
            case _:
                pass

    def sent(self, message: Message) -> None:
        """A message was written."""
        metrics = self._metrics
        metrics.messages.labels(MESSAGE_TYPES[type(message)]).inc()
        match message:
            case Partial(segment=segment):
                metrics.partial_lag.observe((message.queue_ms + message.decode_ms) / 1000)
                if (opened := self._opened.pop(segment, None)) is not None:
                    metrics.first_partial.observe(time.monotonic() - opened)
            case FinalMessage(segment=segment) if segment in self._ended:
                self._lags.append(time.monotonic() - self._ended.pop(segment))
                metrics.final_lag.observe(self._lags[-1])
            case ErrorSent(code=code, segment=segment):
                metrics.errors.labels(code).inc()
                self._ended.pop(-1 if segment is None else segment, None)
            case Closed(reason=reason, totals=totals):
                self._reason = reason
                self.heard(totals["audio_ms"])
            case _:
                pass

    def heard(self, audio_ms: int) -> None:
        """So much audio has been received, all in all."""
        self._metrics.audio.inc((audio_ms - self.audio_ms) / 1000)
        self.audio_ms = audio_ms

    def report(self, code: int | None, totals: Mapping[str, int]) -> None:
        """Once, when the session is over; ``code`` is its socket's."""
        self.heard(totals["audio_ms"])
        seconds = time.monotonic() - self._began
        self._metrics.closed.labels(self._reason).inc()
        self._metrics.duration.observe(seconds)
        lags = sorted(self._lags)
        lag = {"final_lag_p95_ms": round(1000 * lags[int(0.95 * (len(lags) - 1))])} if lags else {}
        told = {"reason": self._reason, "code": code, "seconds": round(seconds, 1)}
        logger.info("session %s closed", self._known["session"], extra={"fields": {**self._known, **told, **totals, **lag}})
