"""Damaged containers: audio or a sentence, soon, within bounds, and no thread is left.

More: ``STREAMER_FUZZ_SECONDS=600 pytest tests/media/test_fuzz.py``.
"""

import threading
import time

from streamer.core.events import SAMPLE_RATE
from streamer.errors import InvalidAudio
from streamer.media import ContainerDecoder
from tests.fuzzing import damaged, rounds

SOON_S = 20.0
MOST_S = 90.0  # of audio from a second of it: time stamps may claim a hole, and each of up to a minute is filled with silence
KINDS = (
    "wav",
    "wav stream",
    "wav mu-law",
    "ogg opus",
    "webm opus",
    "mkv flac",
    "flac",
    "mp3",
    "adts aac",
    "m4a index last",
    "mp4 fragmented",
)


def decoded(data, dice):
    """Samples, error, and whether the thread ended."""
    count, errors, ended = 0, [], threading.Event()

    def on_pcm(pcm):
        nonlocal count
        count += len(pcm) // 2
        decoder.consumed(len(pcm))
        if count > 10 * MOST_S * SAMPLE_RATE:
            decoder.close()
            ended.set()

    def on_end(error):
        errors.append(error)
        ended.set()

    decoder = ContainerDecoder(channels=1, on_pcm=on_pcm, on_end=on_end)
    at = 0
    while at < len(data):
        step = dice.randint(1, dice.choice([50, 5_000, 100_000]))
        decoder.feed(data[at : at + step])
        at += step
    decoder.end()
    assert ended.wait(SOON_S), "it hangs"
    assert decoder.join(SOON_S)
    return count, errors


def test_a_damaged_container_is_audio_or_a_sentence(media):
    whole = {kind: media(kind, seconds=1.0) for kind in KINDS}
    before = threading.active_count()
    for seed, dice in rounds(120):
        kind = KINDS[seed % len(KINDS)]
        began = time.monotonic()
        samples, errors = decoded(damaged(dice, whole[kind]), dice)
        where = f"{kind}, seed {seed}"
        assert len(errors) == 1, where
        assert errors[0] is None or (isinstance(errors[0], InvalidAudio) and str(errors[0]).startswith("the container ")), where
        assert samples <= MOST_S * SAMPLE_RATE, where
        assert time.monotonic() - began < SOON_S, where
    assert threading.active_count() == before


def test_pieces_of_several_containers_are_audio_or_a_sentence(media):
    whole = [media(kind, seconds=1.0) for kind in KINDS]
    for seed, dice in rounds(20):
        data = b"".join(dice.choice(whole)[dice.choice([0, 0, 100]) :][: dice.randint(10, 9_000)] for _ in range(3))
        samples, errors = decoded(data, dice)
        assert samples <= MOST_S * SAMPLE_RATE, seed
        assert len(errors) == 1, seed
        assert errors[0] is None or isinstance(errors[0], InvalidAudio), seed
