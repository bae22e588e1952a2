"""Clients without sockets and audio: each a channel of the core, fed with judged frames, and what its user would see.

Every client takes a tenth of a second at its own phase, and asks for partials, speculations and finals at its own cadence. The
definitions of the latencies are those of ``bench.load``; a *refresh* is a partial's answer that came while its segment was open, whether
or not it said something new.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final

import numpy as np

from streamer.bench.simulated.device import OpenDevice, Spent
from streamer.bench.simulated.talk import FRAME_MS, talk
from streamer.core.channel import Channel
from streamer.core.endpointer import EndReason
from streamer.core.events import (
    Answer,
    Discard,
    Effect,
    ErrorSent,
    Hypothesis,
    Job,
    JobKind,
    Message,
    Promote,
    Samples,
    Send,
    Settings,
    SpeechEnded,
    SpeechStarted,
    Submit,
    to_samples,
)
from streamer.core.events import Final as FinalMessage

FRAME_S: Final = FRAME_MS / 1000
FRAME: Final = to_samples(FRAME_MS)
SPEECH_DB, SILENCE_DB = -20.0, -70.0
NO_AUDIO: Final[Samples] = np.zeros(0, np.int16)


@dataclass(slots=True, eq=False)
class Client:
    """One channel and what its user saw: latencies in ms, from the time on that counts."""

    name: str
    phase: float
    channel: Channel
    speech: list[bool]
    spurt: int | None = None  # frame at which the latest speech began, unless its segment was cut within it
    onset: int | None = None  # that of the open segment, until its first partial is there
    open: int | None = None  # segment
    last_speech: int = 0
    ended: dict[int, tuple[float, int]] = field(default_factory=dict)  # segment to when it ended, and the last frame of its speech
    first_partial: list[float] = field(default_factory=list)
    partial_lag: list[float] = field(default_factory=list)
    endpoint_to_final: list[float] = field(default_factory=list)
    speech_end_to_final: list[float] = field(default_factory=list)
    spoken_s: float = 0.0

    def sent(self, frame: int) -> float:
        """When the chunk that holds this frame came."""
        return self.phase + frame * FRAME_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How many clients for how many seconds, after ``settle_s`` of which everything counts."""

    clients: int
    seconds: float = 20.0
    settle_s: float = 4.0
    seed: int = 0
    settings: Settings = Settings()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the clients saw and what the device did in ``seconds``."""

    clients: list[Client]
    spent: Spent
    seconds: float


def simulate(plan: Simulation, open_device: OpenDevice) -> Outcome:
    """Run the plan. A client's speech depends on its number and the seed alone, so that plans can be compared client by client."""
    return _Run(plan, open_device).run()


class _Run:
    def __init__(self, plan: Simulation, open_device: OpenDevice) -> None:
        self._plan = plan
        self._frames = round((plan.settle_s + plan.seconds) / FRAME_S)
        self._clients = sorted((self._client(n) for n in range(plan.clients)), key=lambda client: client.phase)
        self._by_name = {client.name: client for client in self._clients}
        self._device = open_device(self._answered)
        self._counts = False

    def run(self) -> Outcome:
        settled = round(self._plan.settle_s / FRAME_S)
        for frame in range(self._frames):
            if frame == settled:
                self._counts = True
                self._device.spent = Spent()
            for client in self._clients:
                now = client.sent(frame)
                self._device.advance(now)
                self._hear(client, frame, now)
        return Outcome(self._clients, self._device.spent, self._plan.seconds)

    def _client(self, number: int) -> Client:
        random = Random(f"{self._plan.seed} {number}")
        name = str(number)
        numbers = iter(range(1 << 62))
        phase, speech = random.uniform(0.0, FRAME_S), talk(random)
        spoken = [next(speech) for _ in range(self._frames)]
        levels = [SPEECH_DB if speaks else SILENCE_DB for speaks in spoken]
        channel = Channel(
            0,
            session=name,
            frame_samples=FRAME,
            settings=self._plan.settings,
            read=lambda begin, end: NO_AUDIO,
            levels=lambda begin, end: levels[begin // FRAME : end // FRAME],
            new_segment=lambda: next(numbers),
            windowed=True,
            hears_sounds=False,
        )
        return Client(name, phase, channel, spoken)

    def _hear(self, client: Client, frame: int, now: float) -> None:
        speaks = client.speech[frame]
        if speaks:
            if not frame or not client.speech[frame - 1]:
                client.spurt = frame
            client.last_speech = frame
            client.spoken_s += FRAME_S * self._counts
        out: list[Effect] = []
        client.channel.frame(1.0 if speaks else 0.0, out)
        client.channel.leave(out)
        self._perform(client, out, now)

    def _answered(self, answer: Answer, now: float) -> None:
        client = self._by_name[answer.job.session]
        if isinstance(answer, Hypothesis) and answer.job.kind is JobKind.PARTIAL and answer.job.segment == client.open:
            self._refreshed(client, answer.job, now)
        out: list[Effect] = []
        client.channel.answer(answer, out)
        self._perform(client, out, now)

    def _refreshed(self, client: Client, job: Job, now: float) -> None:
        """A partial came in time to be shown; whether it says something new does not matter here."""
        if self._counts:
            client.partial_lag.append(1000 * (now - client.sent(job.end // FRAME - 1)))
        if self._counts and client.onset is not None:
            client.first_partial.append(1000 * (now - client.sent(client.onset)))
        client.onset = None

    def _perform(self, client: Client, effects: list[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case Submit(job):
                    self._device.submit(job, now)
                case Promote(segment):
                    self._device.promote(client.name, segment)
                case Discard(segment):
                    self._device.discard(client.name, segment, now)
                case Send(message):
                    self._see(client, message, now)
                case _:
                    raise AssertionError(f"a channel asked for {effect}")

    def _see(self, client: Client, message: Message, now: float) -> None:
        match message:
            case SpeechStarted(segment=segment):
                client.open, client.onset, client.spurt = segment, client.spurt, None
            case SpeechEnded(segment=segment):
                client.open = None
                client.ended[segment] = now, client.last_speech
            case FinalMessage(segment=segment, end_reason=reason):
                ended, last = client.ended.pop(segment)
                if self._counts:
                    client.endpoint_to_final.append(1000 * (now - ended))
                if self._counts and reason == EndReason.ENDPOINT:
                    client.speech_end_to_final.append(1000 * (now - client.sent(last)))
            case ErrorSent():
                raise AssertionError(message.message)
            case _:
                pass
