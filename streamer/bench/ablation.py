"""What the stabiliser and the speculative finals bring, from the same replay.

*Without the stabiliser* means the newest hypothesis is shown as it is, at the moment at which it came: the same answers at the same
times, so the latency is equal by construction. What is withheld as no speech is withheld here too. A hypothesis of less than its
segment (a locked prefix) is decoded anew over all of it.

*Without speculation* means the final is asked for when the endpoint is decided, and is there one engine latency later.
"""

from collections.abc import Callable
from dataclasses import dataclass

from streamer.bench.replay import Recording, seconds_of
from streamer.bench.stability import StabilityTally, common_subsequence, flicker
from streamer.bench.tally import Tally, nearest_rank, ratio
from streamer.bench.text import tokens_of
from streamer.core.endpointer import EndReason
from streamer.core.events import Final, Hypothesis, Job, JobKind, Partial, SpeechEnded, SpeechStarted, to_ms
from streamer.core.evidence import why_withheld
from streamer.core.richtext import text_of


@dataclass(frozen=True)
class AblationTally(Tally):
    bare: StabilityTally = StabilityTally()
    promised: int = 0
    broken: int = 0
    waits: tuple[float, ...] = ()
    waits_without: tuple[float, ...] = ()
    speculative_s: float = 0.0
    useful_s: float = 0.0
    decoded_s: float = 0.0
    spoken_s: float = 0.0

    def figures(self) -> dict[str, object]:
        return {
            "partials_without_stabiliser": {name: value for name, value in self.bare.figures().items() if name != "first_ms_p50"},
            "stable_words_not_in_final": ratio(self.broken, self.promised),
            "endpoint_to_final_ms": {
                "with_speculation": {"p50": nearest_rank(self.waits, 0.5), "p95": nearest_rank(self.waits, 0.95)},
                "without": {"p50": nearest_rank(self.waits_without, 0.5), "p95": nearest_rank(self.waits_without, 0.95)},
            },
            "speculative_audio_used": ratio(self.useful_s, self.speculative_s),
            "decoded_per_speech": ratio(self.decoded_s, self.spoken_s),
        }


def ablate(recording: Recording, latency_ms: int, whole: Callable[[Job, int], Hypothesis | None]) -> AblationTally:
    """``whole`` decodes from an absolute begin (samples) to the end of a job."""
    ended = {message.segment: (at, message) for at, message in recording.of(SpeechEnded)}
    begins = {message.segment: message.begin_ms for _, message in recording.of(SpeechStarted)}
    finals = {message.segment: (at, message) for at, message in recording.of(Final)}
    waits = [round(at - ended[segment][0], 1) for segment, (at, _) in finals.items() if ended[segment][1].reason == EndReason.ENDPOINT]
    speculative = [job for job in recording.asked if job.kind is JobKind.SPECULATIVE]
    ends = {segment: message.end_ms for segment, (_, message) in ended.items()}
    useful = [job for job in speculative if to_ms(job.end) == ends.get(job.segment)]
    promised, broken = _promises(recording)
    return AblationTally(
        bare=_bare(recording, begins, {segment: at for segment, (at, _) in ended.items()}, whole),
        promised=promised,
        broken=broken,
        waits=tuple(waits),
        waits_without=tuple(float(latency_ms) for _ in waits),
        speculative_s=seconds_of(speculative),
        useful_s=seconds_of(useful),
        decoded_s=seconds_of([answer.job for _, answer in recording.answers]),
        spoken_s=sum(ends[segment] - begins[segment] for segment in ends) / 1000,
    )


def _bare(
    recording: Recording, begins: dict[int, int], decided: dict[int, float], whole: Callable[[Job, int], Hypothesis | None]
) -> StabilityTally:
    shown: dict[int, list[str]] = {message.segment: [] for _, message in recording.of(Final)}
    with_partials = {message.segment for _, message in recording.of(Partial)}
    for at, answer in recording.answers:
        job = answer.job
        if job.segment not in with_partials or job.kind in (JobKind.FINAL, JobKind.SOUND) or job.segment not in shown:
            continue
        if at > decided[job.segment] or why_withheld(answer):
            continue
        heard: Hypothesis | None = answer
        if to_ms(job.begin) > begins[job.segment]:
            heard = whole(job, begins[job.segment])
        text = text_of(heard.tokens) if heard else ""
        if not shown[job.segment] or shown[job.segment][-1] != text:
            shown[job.segment].append(text)
    for _, final in recording.of(Final):
        shown[final.segment].append(final.text)
    return flicker(shown)


def _promises(recording: Recording) -> tuple[int, int]:
    """Words that were shown as stable, and those of them that the final does not have, in their order."""
    stable = {partial.segment: partial.stable for _, partial in recording.of(Partial)}
    promised = broken = 0
    for _, final in recording.of(Final):
        words, last = tokens_of(stable.get(final.segment, "")), tokens_of(final.text)
        promised += len(words)
        broken += len(words) - common_subsequence(words, last)
    return promised, broken
