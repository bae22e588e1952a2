"""Who speaks when: conversations for simulated clients, frame by frame, from a seed."""

from collections.abc import Iterator
from random import Random
from typing import Final

FRAME_MS: Final = 100
"""Also the chunk: a simulated client's audio comes in tenths of a second, and is judged as it comes."""
PHRASE_S: Final = 2.5  # mean; two or three phrases make an utterance, so utterances have the 5 s that calls and meetings have
SHORTEST_PHRASE_MS: Final = 300
LONGEST_PHRASE_MS: Final = 12_000
BREATHS: Final = 0.55  # share of the pauses that do not end the utterance
BREATH_MS: Final = (200, 500)  # shorter than an endpoint; the longer half starts a speculation that comes to nothing
PAUSE_MS: Final = (700, 2_500)


def talk(random: Random) -> Iterator[bool]:
    """For each frame whether somebody speaks, without end. Begins anywhere in a conversation."""
    skip = random.randrange(8_000 // FRAME_MS)
    while True:
        phrase_ms = min(LONGEST_PHRASE_MS, max(SHORTEST_PHRASE_MS, 1000 * random.gammavariate(2.0, PHRASE_S / 2)))
        pause_ms = random.uniform(*(BREATH_MS if random.random() < BREATHS else PAUSE_MS))
        for length_ms, speaks in ((phrase_ms, True), (pause_ms, False)):
            for _ in range(round(length_ms / FRAME_MS)):
                if skip:
                    skip -= 1
                else:
                    yield speaks
