"""What an operator watches: how many, how late, how full, what fails. Exposed at /metrics through Prometheus's client library."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from streamer.engine.scheduler import Batch, Health

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG_S: Final = (1.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0)
_OWED_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)  # beyond the last a socket is not read
_ITEMS: Final = (1, 2, 4, 8, 16, 32, 64)
_AUDIO_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 240.0)


class EngineMetrics:
    """What the engines tell, in a registry of its own, so that two servers in one process do not meet."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # processor time and memory
        self.queue = Gauge("streamer_queue_audio_seconds", "Audio that waits for the engine", registry=registry)
        self.delay = Gauge("streamer_queue_delay_seconds", "How long new jobs would wait for the engine", registry=registry)
        self.jobs = Counter("streamer_jobs_total", "Jobs decoded", ["kind"], registry=registry)
        self.wait = Histogram("streamer_queue_seconds", "A job's wait for the engine", buckets=_SECONDS, registry=registry)
        self.decode = Histogram("streamer_decode_seconds", "One batch in the engine", buckets=_SECONDS, registry=registry)
        self.batch_items = Histogram("streamer_batch_items", "Jobs in one batch", buckets=_ITEMS, registry=registry)
        self.batch_audio = Histogram("streamer_batch_audio_seconds", "Padded audio in one batch", buckets=_AUDIO_S, registry=registry)

        self.restarts = Counter("streamer_restarts_total", "What died or hung and was begun anew", ["what"], registry=registry)

    def batch(self, batch: Batch) -> None:
        """Count one batch. Called from the engine's thread; the client library is thread-safe."""
        for kind in batch.kinds:
            self.jobs.labels(kind).inc()
        for wait_ms in batch.queue_ms:
            self.wait.observe(wait_ms / 1000)
        self.decode.observe(batch.decode_ms / 1000)
        self.batch_items.observe(batch.items)
        self.batch_audio.observe(batch.padded_s)

    def health_changed(self, health: Health) -> None:
        """Of one engine."""
        if health is Health.RESTARTING:
            self.restarts.labels("engine").inc()

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class Metrics(EngineMetrics):
    """What the sockets tell beside them."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.ready = Gauge("streamer_ready", "1 when the model is warm and sessions are accepted", registry=registry)
        self.sessions = Gauge("streamer_open_sessions", "Open sessions", registry=registry)
        self.followers = Gauge("streamer_followers", "Sockets that follow calls", registry=registry)
        self.sessions_total = Counter("streamer_sessions_total", "Sessions opened", registry=registry)
        self.detached = Gauge("streamer_detached_sessions", "Sessions whose client was lost and may come back", registry=registry)
        self.resumed = Counter("streamer_resumed_total", "Sessions whose client came back", registry=registry)
        self.refused = Counter("streamer_refused_total", "Connections refused", ["reason"], registry=registry)
        self.most_sessions = Gauge("streamer_max_sessions", "Sessions that may be open", registry=registry)
        self.closed = Counter("streamer_closed_total", "Sessions that ended", ["reason"], registry=registry)
        self.duration = Histogram("streamer_session_seconds", "From a session's begin to its end", buckets=_LONG_S, registry=registry)
        self.owed = Histogram(
            "streamer_owed_audio_seconds",
            "Audio received and not answered yet, of each session every few seconds",
            buckets=_OWED_S,
            registry=registry,
        )
        self.audio = Counter("streamer_audio_seconds_total", "Audio received, all channels of a session counted once", registry=registry)
        self.messages = Counter("streamer_messages_total", "Messages sent to clients", ["type"], registry=registry)
        self.errors = Counter("streamer_errors_total", "Errors told to clients", ["code"], registry=registry)
        self.store = Histogram(
            "streamer_store_seconds", "From a final to its commit, or to its being given up", buckets=_SECONDS, registry=registry
        )
        self.store_failures = Counter(
            "streamer_store_failures_total", "Finals that could not be stored; their clients were told", registry=registry
        )
        self.first_partial = Histogram(
            "streamer_speech_to_partial_seconds", "From the begin of a segment to its first partial", buckets=_SECONDS, registry=registry
        )
        self.partial_lag = Histogram(
            "streamer_partial_seconds", "From the question for a partial to the partial", buckets=_SECONDS, registry=registry
        )
        self.final_lag = Histogram(
            "streamer_endpoint_to_final_seconds", "From the end of a segment to its final", buckets=_SECONDS, registry=registry
        )
