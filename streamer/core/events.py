"""Every value that crosses a wall, frozen: inputs of a session, its effects, jobs, hypotheses, and the messages a client sees.

Inside, lengths and positions are samples at 16 kHz (``int``), counted from the first sample the session received.
In messages they are milliseconds on the same clock and carry ``_ms`` in their name.
"""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.errors import InvalidSetting, SessionError

SAMPLE_RATE: typing.Final = 16_000
SAMPLES_PER_MS: typing.Final = SAMPLE_RATE // 1000
LOWEST_RATE: typing.Final = 4_000
HIGHEST_RATE: typing.Final = 192_000
RATE_STEP: typing.Final = 25  # keeps the resampler's filter bank within 640 phases
LANGUAGES: typing.Final = ("auto", "zh", "en", "yue", "ja", "ko")
MAX_CHANNELS: typing.Final = 8
CHANNEL_NAME: typing.Final = 64  # characters
ENDPOINT_SILENCE_MS: typing.Final = (100, 5_000)
QUIET_MS: typing.Final = (500, 10_000)
HOTWORDS: typing.Final = 100  # so many, of so many characters each
PROTOCOL_VERSION: typing.Final = 1

Samples = npt.NDArray[np.int16]
"""Audio at 16 kHz: ``[n]`` for one channel, ``[channels, n]`` for all of them."""

Scores = Mapping[str, float]
"""Probabilities over one label set; they sum to one."""


def to_ms(samples: int) -> int:
    """Samples at 16 kHz to whole milliseconds."""
    return samples // SAMPLES_PER_MS


def to_samples(ms: int) -> int:
    """Milliseconds to samples at 16 kHz."""
    return ms * SAMPLES_PER_MS


# What a client may choose.


class Encoding(StrEnum):
    """How the bytes of the client's audio are to be read. ``CONTAINER`` is a file's or MediaRecorder's bytes."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """The shape of the client's audio; channels are interleaved. A container brings its own rate, which replaces ours.

    With ``mix`` the session hears the average of the channels, as one.
    """

    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate: int = SAMPLE_RATE
    channels: int = 1
    mix: bool = False
    channel_names: tuple[str, ...] = ()
    """One for each channel, such as ``agent`` and ``customer``, or none. Whoever follows the session reads them."""

    @property
    def heard_channels(self) -> int:
        """Channels of the session, each with segments of its own."""
        return 1 if self.mix else self.channels

    def __post_init__(self) -> None:
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE or self.sample_rate % RATE_STEP:
            raise InvalidSetting("sample_rate", self.sample_rate, f"a multiple of {RATE_STEP} from {LOWEST_RATE} to {HIGHEST_RATE}")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise InvalidSetting("channels", self.channels, f"1 to {MAX_CHANNELS}")
        named = len(self.channel_names)
        if named not in (0, self.heard_channels) or any(not 0 < len(name) <= CHANNEL_NAME for name in self.channel_names):
            raise InvalidSetting(
                "channel_names", self.channel_names, f"none, or one of 1 to {CHANNEL_NAME} characters for each channel heard"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one session may set for itself, at ``start`` and by ``configure``."""

    language: str = "auto"
    """A language of LANGUAGES; ``auto`` lets the model decide, segment by segment."""
    itn: bool = True
    """Inverse text normalisation: digits and punctuation as one writes them."""
    partials: bool = True
    """Results while a segment is still being spoken."""
    partial_words: bool = False
    """Words with times in them too; they make a partial several times as long."""
    sounds: bool = True
    """Sound events between segments, where the model can."""
    emotion_trend: bool = False
    """A smoothed emotion per channel beside each final's own."""
    hotwords: tuple[str, ...] = ()
    """Words to prefer, where the model can."""
    endpoints: bool = True
    """Silence ends segments; without, only a flush, a stop and ``max_segment_ms`` do."""
    endpoint_silence_ms: int = 600
    """Silence that ends a segment, 100 to 5,000: in full while it is short, half of it once it is long (see the endpointer)."""
    max_segment_ms: int = 20_000
    """Longer speech is cut where it is quietest and least like speech, 2,000 to 30,000 (the model was trained on up to 30 s)."""
    quiet_ms: int = 0
    """Audio without speech after an utterance that is told with ``Quiet``, 500 to 10,000; 0 tells nothing."""
    resume: bool = False
    """A socket that is lost does not end the session: its client may come back for a while, and misses nothing."""
    store: bool = True
    """Finals are kept, where the server keeps any."""
    record: bool = False
    """The audio is kept with them, where the server may."""

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise InvalidSetting("language", self.language, "one of " + ", ".join(LANGUAGES))
        for name, low, high in (("endpoint_silence_ms", *ENDPOINT_SILENCE_MS), ("max_segment_ms", 2_000, 30_000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidSetting(name, value, f"{low} to {high}")
        low, high = QUIET_MS
        if self.quiet_ms and not low <= self.quiet_ms <= high:
            raise InvalidSetting("quiet_ms", self.quiet_ms, f"0 for none, or {low} to {high}")
        if len(self.hotwords) > HOTWORDS or any(len(word) > HOTWORDS for word in self.hotwords):
            raise InvalidSetting("hotwords", self.hotwords, f"at most {HOTWORDS} words of at most {HOTWORDS} characters")


# Inputs: what a session receives.


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open."""


@dataclass(frozen=True, slots=True)
class Start:
    """The client says what it will send and how it wants it read."""

    format: AudioFormat
    settings: Settings


@dataclass(frozen=True, slots=True)
class Configure:
    """The client changes settings; they hold for audio received from here on."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes in the format of ``Start``, cut anywhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer to ``Judge``: speech probabilities of the same frames, ``[frames][channels]``."""

    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Flush:
    """Close the open segments here and tell when all that was said before has been answered."""

    id: str | int | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """Tell when all audio before this has been heard, and all segments that had ended by then are answered. It ends nothing."""

    id: str | int | None = None


@dataclass(frozen=True, slots=True)
class Keepalive:
    """The client is there, and has nothing to say."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Time for a heartbeat. Comes from the server, which has the clock."""

    queue_ms: int
    received_bytes: int = 0
    received_messages: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """No more audio. ``reason`` goes into ``closed``; with an ``error`` it is told first, and its close code is used."""

    reason: str = "stop"
    error: SessionError | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something from the client that could not be read."""

    error: SessionError


@dataclass(frozen=True, slots=True)
class Gone:
    """The socket is lost; nobody will read."""


# Jobs and what the engine answers.


class JobKind(IntEnum):
    """Why the engine is asked; lower goes first."""

    FINAL = 0
    SPECULATIVE = 1
    PARTIAL = 2
    SOUND = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One request to the engine: ``samples`` is the audio of ``[begin, end)`` of one channel, int16 ``[n]``, read-only."""

    session: str
    channel: int
    segment: int
    kind: JobKind
    begin: int
    end: int
    samples: Samples
    language: str = "auto"
    itn: bool = True
    hotwords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One unit of text with its time. ``text`` carries its own leading space; joined texts are the hypothesis's text.

    ``begin`` and ``end`` are samples from the beginning of the job's audio; ``p`` is ``None`` where the model gives none.
    """

    id: int
    text: str
    begin: int
    end: int
    p: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hypothesis:
    """What the engine heard in one job. Scores are ``None`` where the model has none (see ``Capabilities``).

    ``raw_text`` is upstream's own string, tags included. Labels are lower case: ``en``, ``neutral``, ``speech``.
    """

    job: Job
    tokens: tuple[Token, ...]
    raw_text: str
    language: Scores | None = None
    emotion: Scores | None = None
    event: Scores | None = None
    itn: Scores | None = None
    """Over ``withitn`` and ``woitn``: what the model says it did, which may differ from what it was asked."""
    queue_ms: float = 0.0
    decode_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The engine could not answer this job."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Dropped:
    """The scheduler gave this job up: a newer one took its place, or the queue is full. Never a final."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can do, as told to every client."""

    languages: tuple[str, ...]
    emotion: bool
    events: bool
    itn: bool
    hotwords: bool
    word_times: str
    """``aligned`` from the model's own alignment, or ``estimated`` by spreading words over the segment."""
    confidence: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The model behind a server. ``notice`` is a sentence for people where this is not the default model."""

    name: str
    device: str
    capabilities: Capabilities
    notice: str | None = None


# Rich text.


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    text: str
    begin_ms: int
    end_ms: int
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    code: str
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotion:
    label: str
    p: float
    scores: Scores
    trend: Scores | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    label: str
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Itn:
    applied: bool
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RichText:
    """What was said, in what language, how, and what else was heard."""

    text: str
    raw_text: str
    words: tuple[Word, ...]
    language: Language | None
    emotion: Emotion | None
    events: tuple[Event, ...]
    itn: Itn | None
    confidence: float | None


# Messages: what a client reads. Their fields are the native wire's fields.


class Message:
    """Base of everything that a session may send to its client."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCreated(Message):
    session_id: str
    protocol: int
    server: str
    model: str
    device: str
    capabilities: Capabilities
    notice: str | None
    limits: Mapping[str, int]
    resume_token: str | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResumed(Message):
    session_id: str
    after: int
    received_bytes: int
    received_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfigured(Message):
    format: AudioFormat
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Message):
    segment: int
    channel: int
    begin_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial(Message):
    segment: int
    revision: int
    channel: int
    stable: str
    unstable: str
    begin_ms: int
    end_ms: int
    words: tuple[Word, ...]
    confidence: float | None
    language: Language | None
    emotion: Emotion | None
    events: tuple[Event, ...]
    audio_end_ms: int
    queue_ms: float
    decode_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Final(Message):
    segment: int
    revision: int
    channel: int
    text: str
    raw_text: str
    words: tuple[Word, ...]
    begin_ms: int
    end_ms: int
    language: Language | None
    emotion: Emotion | None
    events: tuple[Event, ...]
    itn: Itn | None
    confidence: float | None
    withheld: str | None = None
    end_reason: str
    audio_end_ms: int
    queue_ms: float
    decode_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(Message):
    segment: int
    channel: int
    end_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet(Message):
    channel: int
    end_ms: int
    quiet_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound(Message):
    channel: int
    event: str
    p: float
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed(Message):
    id: str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced(Message):
    id: str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Message):
    received_ms: int
    processed_ms: int
    queue_ms: int
    received_bytes: int = 0
    received_messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Message):
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSent(Message):
    code: str
    message: str
    fatal: bool
    segment: int | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingAway(Message):
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Message):
    reason: str
    totals: Mapping[str, int]


# Effects: what a session asks of the server, performed in order.


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Judge these whole frames, int16 ``[channels, frames * frame_samples]``; answer with ``Judged``, in order."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Submit:
    """Give this job to the scheduler. Exactly one answer comes back: ``Hypothesis``, ``Failed`` or ``Dropped``."""

    job: Job


@dataclass(frozen=True, slots=True)
class Promote:
    """The speculative job of this segment has become its final; if it is still queued it goes first now."""

    segment: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget the queued jobs of this segment that are not finals; they are answered with ``Dropped``."""

    segment: int


@dataclass(frozen=True, slots=True)
class Send:
    message: Message


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket after what was sent before."""

    code: int
    reason: str


Input = (
    Connected
    | Start
    | Configure
    | Audio
    | Judged
    | Flush
    | Sync
    | Keepalive
    | Pulse
    | Rejected
    | Stop
    | Gone
    | Hypothesis
    | Failed
    | Dropped
)
Answer = Hypothesis | Failed | Dropped
Effect = Judge | Submit | Promote | Discard | Send | Close


class State(StrEnum):  # looked up with each input, and a plain Enum's hash is slow
    """Where a session is in its life."""

    NEW = "new"
    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """What a session needs to know of the server it lives in."""

    session_id: str
    server: str
    model: ModelInfo
    frame_samples: int
    """The judge's frame, in samples: 320 is 20 ms."""
    limits: Mapping[str, int] = field(default_factory=dict)
    resume_token: str | None = None
    """With which a client whose socket was lost comes back, where its wire knows how."""
    stored: bool = False
    """Whether the server keeps finals of whoever lets it."""
    records: bool = False
    """Whether it keeps the audio of whoever asks for it."""
