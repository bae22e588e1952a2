"""What gateways and engine processes say to each other: MessagePack arrays, one after the other, their kind first.

Each is a few dozen bytes, so that one read of a socket brings hundreds of jobs. Both ends are of the same version and user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple
from enum import IntEnum
from typing import Any, Final

import msgpack
import numpy as np

from streamer.core.events import Answer, Capabilities, Dropped, Failed, Hypothesis, Job, JobKind, ModelInfo, Samples, Token
from streamer.engine import WarmUp
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.rows import Reader, Rows, Unread

LARGEST: Final = 1 << 27  # bytes; a job's own audio, where it had to travel along, is 2 MB at the most


class Kind(IntEnum):
    """To the engine process, then from it."""

    JOB = 0
    PROMOTE = 1
    DISCARD = 2
    STATE = 3
    LOAD = 4
    ROWS = 5
    HEARD = 6
    FAILED = 7
    DROPPED = 8


# Looked up for every message, and an enum's members cost more than a constant.
JOB, ROWS, HEARD, FAILED, DROPPED = (kind.value for kind in (Kind.JOB, Kind.ROWS, Kind.HEARD, Kind.FAILED, Kind.DROPPED))
KINDS: Final = tuple(sorted(JobKind))


class Messages:
    """Bytes as they come, to the messages that are whole."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(use_list=False, max_buffer_size=LARGEST)

    def feed(self, data: bytes) -> Iterator[tuple[Any, ...]]:
        self._unpacker.feed(data)
        return iter(self._unpacker)


def pack(*message: Any) -> bytes:
    data: bytes = msgpack.packb(message)
    return data


def pack_job(number: int, job: Job, place: int | None) -> bytes:
    """A job whose samples lie at ``place`` in the arena, or travel along."""
    where = np.ascontiguousarray(job.samples).tobytes() if place is None else place
    head = (JOB, number, where, len(job.samples), job.session, job.channel, job.segment, int(job.kind), job.begin, job.end)
    return pack(*head, job.language, job.itn, job.hotwords)


def job_of(message: Sequence[Any], arena: Samples) -> Job:
    """Raises ``ValueError`` where its samples lie beyond the arena."""
    _, _, where, count, session, channel, segment, kind, begin, end, language, itn, hotwords = message
    samples = arena[where // 2 : where // 2 + count] if isinstance(where, int) else np.frombuffer(where, np.int16)
    if len(samples) != count:
        raise ValueError(f"{count} samples at byte {where} are not in an arena of {arena.nbytes} bytes")
    return Job(
        session=session,
        channel=channel,
        segment=segment,
        kind=KINDS[kind],
        begin=begin,
        end=end,
        samples=samples,
        language=language,
        itn=itn,
        hotwords=hotwords,
    )


def pack_answer(number: int, answer: Answer) -> bytes:
    match answer:
        case Unread():
            rows = answer.rows
            ids, p, tags = rows.ids.astype(np.int32).tobytes(), rows.p.astype(np.float32).tobytes(), rows.tags.astype(np.float32).tobytes()
            return pack(ROWS, number, answer.queue_ms, answer.decode_ms, ids, p, tags)
        case Hypothesis():
            tokens = [astuple(token) for token in answer.tokens]
            scores = [dict(one) if one is not None else None for one in (answer.language, answer.emotion, answer.event, answer.itn)]
            return pack(HEARD, number, answer.queue_ms, answer.decode_ms, tokens, answer.raw_text, *scores)
        case Failed():
            return pack(FAILED, number, answer.reason)
        case Dropped():
            return pack(DROPPED, number)


def answer_of(message: Sequence[Any], job: Job, reader: Reader | None) -> Answer:
    """The answer to a job; rows are read here."""
    match message:
        case (5, _, queue_ms, decode_ms, ids, p, tags):
            assert reader, "an engine that gives rows has said of which folder"
            scores = np.frombuffer(tags, np.float32).reshape(PROMPT_ROWS, -1)
            rows = Rows(np.frombuffer(ids, np.int32), np.frombuffer(p, np.float32), scores)
            return reader.answer(job, rows, queue_ms=queue_ms, decode_ms=decode_ms)
        case (6, _, queue_ms, decode_ms, tokens, raw_text, language, emotion, event, itn):
            return Hypothesis(
                job=job,
                tokens=tuple(Token(id=id, text=text, begin=begin, end=end, p=p) for id, text, begin, end, p in tokens),
                raw_text=raw_text,
                language=language,
                emotion=emotion,
                event=event,
                itn=itn,
                queue_ms=queue_ms,
                decode_ms=decode_ms,
            )
        case (7, _, reason):
            return Failed(job, reason)
        case _:
            return Dropped(job)


def pack_info(info: ModelInfo | None) -> dict[str, Any] | None:
    return asdict(info) if info else None


def info_of(fields: dict[str, Any] | None) -> ModelInfo | None:
    return ModelInfo(**{**fields, "capabilities": Capabilities(**fields["capabilities"])}) if fields else None


def pack_warm_up(warm: WarmUp | None) -> tuple[Any, ...] | None:
    return (warm.seconds, warm.forwards) if warm else None


def warm_up_of(fields: tuple[Any, ...] | None) -> WarmUp | None:
    return WarmUp(seconds=fields[0], forwards=fields[1]) if fields else None
