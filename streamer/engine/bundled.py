"""A small English model that installs from the package index: Moonshine tiny, 27 million parameters, on the CPU.

It makes the main job work where no model hub can be reached. It writes case and punctuation, and nothing else: no language,
emotion, events, confidence or word times. Its library decodes one item after another and chooses its number of threads itself.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import numpy as np

from streamer.core.events import SAMPLE_RATE, Capabilities, Failed, Hypothesis, Job, ModelInfo, Samples
from streamer.engine import BatchLimits, WarmUp
from streamer.engine.packaged import bundled_folder
from streamer.engine.untimed import is_speechless, spread, without_loop
from streamer.errors import ModelNotFound

NAME: Final = "moonshine-tiny-en"
HOP: Final = 512
"""Samples that the library takes in at a time; what is left over at the end it would drop, so audio is filled up to it."""
OPTIONS: Final = {
    "vad_threshold": "0",  # everything is speech: segments are found before they come here
    "vad_hop_size": str(HOP),
    "vad_max_segment_duration": "60",
    "identify_speakers": "false",
    "return_audio_data": "false",
    "max_tokens_per_second": "8",  # fast talkers reach 6.5, the library's own limit; past that it can only be a loop
}
INVENTED: Final = "You"
"""What the model says to silence and hiss, in these letters and without a full stop; the spoken word comes with one."""


class Bundled:
    """An ``Engine`` on the weights inside the ``moonshine-voice`` wheel; it never opens a network connection.

    ``notice`` is the sentence that tells people why they are not being served by the default model. Raises ``ModelNotFound``
    where the package or its weights are missing.
    """

    def __init__(self, notice: str | None = None) -> None:
        try:
            from moonshine_voice.errors import MoonshineError
            from moonshine_voice.moonshine_api import ModelArch
            from moonshine_voice.transcriber import Transcriber
        except ImportError as error:
            raise ModelNotFound(
                f"the bundled model cannot be imported ({error}); it comes with a package: pip install moonshine-voice==0.0.65"
            ) from error
        weights = bundled_folder()
        if weights is None:
            raise ModelNotFound(
                "the installed moonshine-voice carries no weights; version 0.0.65 does: pip install moonshine-voice==0.0.65"
            )
        try:
            self._transcriber: Any = Transcriber(weights, ModelArch.TINY, options=OPTIONS)
        except (MoonshineError, OSError) as error:
            raise ModelNotFound(
                f"the bundled model cannot be loaded from {weights} ({error}); "
                "install it anew: pip install --force-reinstall moonshine-voice==0.0.65"
            ) from error
        self._refusal: type[Exception] = MoonshineError
        self._info = ModelInfo(
            name=NAME,
            device="cpu",
            capabilities=Capabilities(
                languages=("en",), emotion=False, events=False, itn=False, hotwords=False, word_times="estimated", confidence=False
            ),
            notice=notice,
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def batch_limits(self) -> BatchLimits:
        """One item at a time: a batch would only make its first answer wait for its last."""
        return BatchLimits(max_items=1, max_audio_s=30.0, buckets_s=(2.0, 10.0, 30.0))

    def warm_up(self) -> WarmUp:
        began = perf_counter()
        forwards = []
        for seconds in self.batch_limits.buckets_s:
            start = perf_counter()
            self._decode(np.zeros(int(seconds * SAMPLE_RATE), np.int16))
            forwards.append((1, seconds, (perf_counter() - start) * 1000))
        return WarmUp(seconds=perf_counter() - began, forwards=tuple(forwards))

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        return [self._transcribe_one(job) for job in jobs]

    def close(self) -> None:
        self._transcriber.close()

    def _transcribe_one(self, job: Job) -> Hypothesis | Failed:
        start = perf_counter()
        try:
            raw_text = "" if is_speechless(job.samples) else self._decode(job.samples)
        except self._refusal as error:
            return Failed(job, f"{NAME} could not decode {len(job.samples) / SAMPLE_RATE:.1f} s of audio: {error}")
        text = without_loop(raw_text)
        if text == INVENTED or not any(map(str.isalnum, text)):
            text = ""
        tokens = spread(text, job.samples)
        return Hypothesis(job=job, tokens=tokens, raw_text=raw_text, decode_ms=(perf_counter() - start) * 1000)

    def _decode(self, samples: Samples) -> str:
        """The model's own text for int16 ``[n]``, on one line."""
        audio = np.zeros(-(-len(samples) // HOP) * HOP, np.float32)
        audio[: len(samples)] = samples / np.float32(32768)
        transcript = self._transcriber.transcribe_without_streaming(audio.tolist(), SAMPLE_RATE)
        return " ".join(" ".join(line.text for line in transcript.lines).split())
