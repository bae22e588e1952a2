"""The result as JSON for programs, and as one table for people."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from streamer.bench.quality import Measures, Result
from streamer.bench.tally import ratio
from streamer.bench.text import BY_CHARACTER

ROWS: Final = (
    ("minutes of audio", "minutes", ""),
    ("frame precision", "vad.precision", "%"),
    ("frame recall", "vad.recall", "%"),
    ("frame F1", "vad.f1", "%"),
    ("cuts / min", "vad.cuts_per_min", ""),
    ("merges / min", "vad.merges_per_min", ""),
    ("onset clipped p95 ms", "vad.onset_clipped_ms_p95", "ms"),
    ("tail clipped p95 ms", "vad.tail_clipped_ms_p95", "ms"),
    ("endpoint p50 ms", "endpoint_ms.p50", "ms"),
    ("endpoint p95 ms", "endpoint_ms.p95", "ms"),
    ("WER", "text.wer", "%"),
    ("WER, whole file", "text.offline_wer", "%"),
    ("CER", "text.cer", "%"),
    ("CER, whole file", "text.offline_cer", "%"),
    ("words of transcripts", "text.words", "n"),
    ("first partial p50 ms", "partials.first_ms_p50", "ms"),
    ("UPWR", "partials.upwr", ""),
    ("UPSR", "partials.upsr", ""),
    ("normalised erasure", "partials.erasure", ""),
    ("non-speech words / min", "nonspeech.words_per_min", ""),
    ("non-speech minutes", "nonspeech.minutes", ""),
)
NAME_WIDTH: Final = 24
WIDTH: Final = 9


def as_json(result: Result, *, model: str, vad_judge: str, command: str, with_ablation: bool = False) -> dict[str, Any]:
    """``overall`` and ``files`` hold the figures; the rest tells where they come from and what is not in them."""
    overall = result.overall
    return {
        "overall": overall.figures(),
        "files": {name: measures.figures() for name, measures in result.files.items()},
        "model": model,
        "vad_judge": vad_judge,
        "command": command,
        "detail": detail(overall),
        "not_claimed": {code: result.sum_of_foreign(code).text.figures() for code in sorted(set(result.foreign.values()))},
        "ablation": overall.ablation.figures() if with_ablation else None,
        "skipped": result.skipped,
        "failed": result.failed,
        "warnings": result.warnings,
    }


def detail(overall: Measures) -> dict[str, Any]:
    """What helps to read the figures: segments with their pads against the marks, utterances lost, false alarms, what was decoded."""
    marks, nonspeech = overall.segmentation, overall.nonspeech
    return {
        "minutes": _minutes(overall),
        "spans": marks.span_figures(),
        "utterances": marks.utterances,
        "utterances_missed": marks.missed,
        "endpoints": len(marks.endpoints),
        "nonspeech_in_segments": ratio(nonspeech.segment_ms, nonspeech.ms),
        "decoded_s_per_s": ratio(overall.decoded_s * 1000, overall.ms),
    }


def _minutes(measures: Measures) -> float:
    return round(measures.ms / 60_000, 2)


def table(result: Result) -> Iterator[str]:
    """Lines: a row for each figure, a column for each folder of recordings, and one for all."""
    groups: dict[str, list[str]] = {}
    for name in result.files:
        groups.setdefault(name.split("/")[0] if "/" in name else ".", []).append(name)
    columns = [(group, result.sum_of(names)) for group, names in groups.items()] if len(groups) > 1 else []
    columns.append(("all", result.overall))
    yield " " * NAME_WIDTH + "".join(_head(group) for group, _ in columns)
    for title, path, unit in ROWS:
        cells = [_value(measures, path) for _, measures in columns]
        if any(cell is not None for cell in cells):
            yield f"{title:{NAME_WIDTH}}" + "".join(f"{_shown(cell, unit):>{WIDTH}}" for cell in cells)


def _head(group: str) -> str:
    return f"{group if len(group) < WIDTH else group[: WIDTH - 2] + '…':>{WIDTH}}"


def _value(measures: Measures, path: str) -> float | None:
    if path == "minutes":
        return _minutes(measures)
    value: Any = measures.figures()
    for part in path.split("."):
        value = value[part]
    # Nothing to count from is no finding.
    if path == "text.words" or path == "nonspeech.minutes":
        return value or None
    return value if value is None else float(value)


def _shown(value: float | None, unit: str) -> str:
    match unit:
        case _ if value is None:
            return "-"
        case "%":
            return f"{100 * value:.1f} %"
        case "ms" | "n":
            return f"{value:.0f}"
        case _:
            return f"{value:.2f}"


def notes(result: Result, *, model: str, with_ablation: bool = False) -> Iterator[str]:
    """Lines below the table: tags, languages apart, what the parts bring, and what was not measured."""
    overall = result.overall
    more = detail(overall)
    yield (
        f"{len(result.files)} recordings; {more['utterances_missed']} of {more['utterances']} marked utterances missed; "
        f"{more['endpoints']} endpoints; segments hold {_shown(more['nonspeech_in_segments'], '%')} of non-speech; "
        f"{more['decoded_s_per_s'] or 0:.2f} s decoded per second of audio"
    )
    for name, figures in overall.tags.figures().items():
        if isinstance(figures, dict):
            right = _shown(figures["accuracy"], "%")
            yield f"{name}: {right} of {figures['n']} right; label -> answers: {_confusion(figures['confusion'])}"
    for code in sorted(set(result.foreign.values())):
        figures = result.sum_of_foreign(code).text.figures()
        if not figures["words"]:
            continue
        name = "CER" if code in BY_CHARACTER else "WER"
        shown = _shown(figures[name.lower()], "%")
        yield f"{code}: {model} does not claim it; {name} {shown} over {figures['words']:.0f} words is not in the table"
    if with_ablation:
        yield from _ablation(overall)
    for title, reasons in (("skipped", result.skipped), ("could not be read", result.failed)):
        yield from (f"{title}: {name}: {reason}" for name, reason in reasons.items())
    yield from (f"warning: {warning}" for warning in result.warnings)


def _confusion(confusion: dict[str, dict[str, int]]) -> str:
    return "; ".join(
        f"{label} -> " + ", ".join(f"{answer} {count}" for answer, count in answers.items()) for label, answers in confusion.items()
    )


def _ablation(overall: Measures) -> Sequence[str]:
    figures: Any = overall.ablation.figures()
    ours, bare = overall.stability.figures(), figures["partials_without_stabiliser"]
    waits = figures["endpoint_to_final_ms"]
    pairs = ", ".join(f"{name} {_shown(bare[name], '')} -> {_shown(ours[name], '')}" for name in ("upwr", "upsr", "erasure"))
    finals = ", ".join(
        f"{q} {_shown(waits['without'][q], 'ms')} -> {_shown(waits['with_speculation'][q], 'ms')} ms" for q in ("p50", "p95")
    )
    broken, used = _shown(figures["stable_words_not_in_final"], "%"), _shown(figures["speculative_audio_used"], "%")
    return (
        f"stabiliser, without -> with: {pairs}; {broken} of words shown as stable are not in the final",
        f"speculative finals, without -> with, endpoint to final: {finals}; {used} of what was speculatively decoded became the final",
    )
