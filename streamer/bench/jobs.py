"""Jobs for an engine that is measured by itself, without a session."""

from streamer.core.events import Job, JobKind, Samples


def whole(samples: Samples, number: int, language: str = "auto") -> Job:
    """All of the samples as one segment."""
    return Job(session="", channel=0, segment=number, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples, language=language)
