"""Loud stretches between segments, as windows; frames of 20 ms."""

from streamer.core.sounds import SoundWatch

FRAME, SECOND = 320, 16_000


class Hearing(SoundWatch):
    """Knows the levels of the frames that it was told of."""

    def __init__(self):
        self.heard = []
        super().__init__(FRAME, lambda begin, end: self.heard[begin // FRAME : end // FRAME])


def run(watch, seconds, level, *, at=0.0, speaking_from=None):
    windows = []
    for n in range(int(seconds * 50)):
        position = int(at * SECOND) + (n + 1) * FRAME
        watch.heard.append(level)
        window = watch.push(position, speaking_from)
        if window:
            windows.append(window)
    return windows


def test_three_loud_seconds_are_one_window():
    assert run(Hearing(), 7, -30.0) == [(0, 3 * SECOND), (3 * SECOND, 6 * SECOND)]


def test_a_quiet_room_is_never_asked_about():
    assert run(Hearing(), 60, -55.0) == []


def test_a_cough_is_loud_enough():
    watch = Hearing()
    assert run(watch, 1, -60.0) + run(watch, 0.2, -20.0, at=1) + run(watch, 1.8, -60.0, at=1.2) == [(0, 3 * SECOND)]


def test_speech_cuts_a_window_short_and_is_no_sound_itself():
    watch = Hearing()
    assert run(watch, 1, -30.0) == []
    assert run(watch, 5, -20.0, at=1, speaking_from=12_800) == [(0, 12_800)]
    assert watch.begin == 6 * SECOND


def test_steady_noise_is_looked_at_less_and_less_often():
    watch, asked = Hearing(), 0
    for n in range(100):
        if run(watch, 3, -30.0, at=3 * n):
            asked += 1
            watch.learn(fruitful=False)

    assert asked == 22
    watch.learn(fruitful=True)
    assert run(watch, 3, -30.0, at=300) == [(300 * SECOND, 303 * SECOND)]
