"""Every failure with a name: what it says, how far it reaches, and the WebSocket close code that goes with it.

    StreamerError
    ├── JobError                 one request to the engine; the session goes on
    │   └── TranscriptionFailed  the engine could not decode this audio
    ├── SessionError             one client; the server goes on
    │   ├── InvalidMessage       a message that cannot be read                    (told, session goes on)
    │   ├── InvalidSetting       a setting with a value that is not allowed       (told, session goes on)
    │   ├── UnexpectedMessage    a message that is illegal in this state          (told, session goes on)
    │   ├── AudioBeforeStart     nobody has said how to read it                   (1002)
    │   ├── InvalidAudio         audio that cannot be decoded                     (1007)
    │   ├── TooManyErrors        a client that keeps sending nonsense             (1008)
    │   ├── IdleTimeout          nothing received for too long                    (1008)
    │   ├── SessionTooLong       it has lasted as long as the server allows       (1008)
    │   ├── SlowReader           a client that does not read its results          (1008)
    │   ├── QuotaExceeded        a token whose audio is used up                   (1008)
    │   ├── AccessRevoked        a key that was revoked                           (1008)
    │   └── InternalError        a fault of ours                                  (1011)
    └── ProcessError             the program cannot do its main job; it says why and stops
        ├── ConfigurationError   a command-line option or environment variable
        ├── ModelNotFound        no weights, and where they were looked for
        ├── ModelCorrupt         weights whose size or hash is wrong
        ├── MediaError           a file that cannot be opened or decoded
        ├── ConnectionFailed     a server that cannot be reached, or was lost
        └── StoreUnavailable     a store of transcripts that cannot be opened

Each message says what happened, with which value, what was expected, and what to do.
"""

from typing import ClassVar


class StreamerError(Exception):
    """Base of all our errors. ``code`` is the stable name that clients match on."""

    code: ClassVar[str] = "internal"


class JobError(StreamerError):
    """One request to the engine failed."""


class TranscriptionFailed(JobError):
    code = "transcription_failed"


class SessionError(StreamerError):
    """One client failed. ``close_code`` is ``None`` where the session goes on after the message."""

    code = "session_error"
    close_code: ClassVar[int | None] = None


class InvalidMessage(SessionError):
    code = "invalid_message"


class InvalidSetting(SessionError):
    """A setting is out of its range."""

    code = "invalid_setting"

    def __init__(self, name: str, value: object, expected: str) -> None:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{name} is {shown}, expected {expected}")


class UnexpectedMessage(SessionError):
    code = "unexpected_message"


class AudioBeforeStart(SessionError):
    code = "audio_before_start"
    close_code = 1002


class InvalidAudio(SessionError):
    code = "invalid_audio"
    close_code = 1007


class TooManyErrors(SessionError):
    code = "too_many_errors"
    close_code = 1008


class IdleTimeout(SessionError):
    code = "idle_timeout"
    close_code = 1008


class SessionTooLong(SessionError):
    code = "session_too_long"
    close_code = 1008


class SlowReader(SessionError):
    code = "slow_reader"
    close_code = 1008


class QuotaExceeded(SessionError):
    code = "quota_exceeded"
    close_code = 1008


class AccessRevoked(SessionError):
    code = "access_revoked"
    close_code = 1008


class InternalError(SessionError):
    code = "internal"
    close_code = 1011


class ProcessError(StreamerError):
    """The program cannot do its main job."""


class ConfigurationError(ProcessError):
    code = "configuration"


class ModelNotFound(ProcessError):
    code = "model_not_found"


class ModelCorrupt(ProcessError):
    code = "model_corrupt"


class MediaError(ProcessError):
    code = "media"


class ConnectionFailed(ProcessError):
    code = "connection_failed"


class StoreUnavailable(ProcessError):
    code = "store_unavailable"
