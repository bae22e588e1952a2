"""Containers decoded as they arrive: the same audio as from a whole file, early, within bounds, and never a thread left behind."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.errors import InternalError, InvalidAudio, InvalidSetting, SessionError
from streamer.media import ContainerDecoder, decode_file
from streamer.media.pipe import FULL_BYTES

WAIT_S = 20  # far above what anything here takes


class Listener:
    """A session's side of a decoder: keeps what comes, and deals with it at once unless told to hold on."""

    def __init__(self, *, channels: int = 1, consuming: bool = True, **bounds: float) -> None:
        self.consuming = consuming
        self.pcm = bytearray()
        self.blocks: list[int] = []
        self.errors: list[SessionError | None] = []
        self.ended, self.drained = threading.Event(), threading.Event()
        self.arrived = threading.Semaphore(0)
        self.decoder = ContainerDecoder(channels=channels, on_pcm=self._on_pcm, on_end=self._on_end, on_drain=self.drained.set, **bounds)

    def _on_pcm(self, data: bytes) -> None:
        self.pcm += data
        self.blocks.append(len(data))
        self.arrived.release()
        if self.consuming:
            self.decoder.consumed(len(data))

    def _on_end(self, error: SessionError | None) -> None:
        self.errors.append(error)
        self.ended.set()

    @property
    def error(self) -> SessionError | None:
        """How it ended."""
        assert self.ended.wait(WAIT_S)
        assert self.decoder.join(WAIT_S)
        assert len(self.errors) == 1
        return self.errors[0]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(WAIT_S)
        assert not thread.is_alive(), f"{thread.name} was left behind"


def decoded(data: bytes, sizes: list[int], channels: int = 1) -> bytes:
    """The PCM of a container that arrives in pieces of these sizes, over and over."""
    listener, at, turn = Listener(channels=channels), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        listener.decoder.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    listener.decoder.end()
    assert listener.error is None
    return bytes(listener.pcm)


def test_a_stream_gives_the_same_samples_as_the_file(kind, media, tmp_path):
    data = media(kind, hertz=(440.0, 600.0))
    path = tmp_path / "file"
    path.write_bytes(data)
    with decode_file(path, channels=2) as audio:
        whole = np.concatenate(list(audio), axis=1)
    streamed = np.frombuffer(decoded(data, [1_000], channels=2), "<i2").reshape(-1, 2).T
    if kind == "mp3":
        # Only a file that can be read from its end tells an mp3's last padding, which is 12 ms here.
        assert streamed.shape[1] - whole.shape[1] == 200
        whole = whole[:, :-200]
    else:
        assert streamed.shape == whole.shape
    assert np.array_equal(streamed[:, : whole.shape[1]], whole)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=5))
def test_the_same_bytes_give_the_same_samples_however_they_are_cut(kind, media, sizes):
    data = media(kind, seconds=0.7)
    assert decoded(data, sizes) == decoded(data, [len(data)])


def test_a_recorders_first_words_come_before_its_recording_ends(media):
    webm = media("webm opus", seconds=5.0)
    listener = Listener()
    # What a browser sends in its first 200 ms; nothing else comes until the samples have.
    listener.decoder.feed(webm[: len(webm) // 25])
    assert listener.arrived.acquire(timeout=WAIT_S)
    assert not listener.ended.is_set()
    listener.decoder.feed(webm[len(webm) // 25 :])
    listener.decoder.end()
    assert listener.error is None
    assert len(listener.pcm) == 5 * 32_000


@pytest.mark.parametrize(
    ("name", "at_ms"), [("ogg opus", 450), ("mp4 fragmented", 700), ("mp3", 800), ("adts aac", 600), ("m4a index first", 600)]
)
def test_other_streams_come_early_too(name, at_ms, media):
    data = media(name, seconds=10.0)
    listener = Listener()
    listener.decoder.feed(data[: len(data) * at_ms // 10_000])
    assert listener.arrived.acquire(timeout=WAIT_S)
    listener.decoder.close()


def test_nothing_at_all_is_no_error():
    listener = Listener()
    listener.decoder.end()
    assert listener.error is None
    assert listener.pcm == b""


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"RIFF",
        b"Dear server, please transcribe this.\n" * 50,
        bytes(50_000),
        np.random.default_rng(3).bytes(50_000),
        b"\x1aE\xdf\xa3 webm?",
    ],
    ids=["a byte", "a word", "text", "zeros", "noise", "half a magic"],
)
def test_what_is_no_media_ends_in_a_sentence(data):
    listener = Listener()
    listener.decoder.feed(data)
    listener.decoder.end()
    assert isinstance(listener.error, InvalidAudio)
    assert str(listener.error).startswith("the container is not audio or video in a format that can be read")
    assert listener.decoder.feed(b"more") == 0


def test_a_stream_that_breaks_off_gives_what_came(media):
    webm = media("webm opus", seconds=5.0)
    listener = Listener()
    listener.decoder.feed(webm[: len(webm) // 2])
    listener.decoder.end()
    assert listener.error is None
    assert 2.0 < len(listener.pcm) / 32_000 < 3.0


def test_an_mp4_that_breaks_off_before_its_index_says_so(media):
    m4a = media("m4a index last")
    listener = Listener()
    listener.decoder.feed(m4a[: len(m4a) // 2])
    listener.decoder.end()
    assert str(listener.error) == "the container begins like an mp4 but lacks the index at its end: it is cut off; copy or record it again"


def test_an_mp4_that_must_be_whole_has_a_bound_known_at_once():
    listener = Listener()
    ftyp = b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom"
    listener.decoder.feed(ftyp + (200 << 20).to_bytes(4, "big") + b"mdat" + bytes(100))
    assert isinstance(listener.error, InvalidAudio)
    assert "it is larger than 128 MB; send webm, ogg, mp3" in str(listener.error)


def test_an_mp4_that_does_not_tell_its_length_has_the_same_bound():
    listener = Listener(whole_bytes=100_000)
    listener.decoder.feed(b"\0\0\0\x08wide\0\0\0\0mdat" + bytes(150_000))
    assert isinstance(listener.error, InvalidAudio)
    assert "can only be decoded whole" in str(listener.error)


def test_more_channels_than_a_session_has_are_refused_at_once():
    with pytest.raises(InvalidSetting, match="channels is 9, expected 1 to 8"):
        Listener(channels=9)


def test_output_waits_until_it_is_consumed(media):
    listener = Listener(consuming=False, ahead_s=1.0)
    listener.decoder.feed(media("flac", seconds=6.0))
    listener.decoder.end()
    for _ in range(2):
        assert listener.arrived.acquire(timeout=WAIT_S)
    assert not listener.ended.wait(0.1)
    assert len(listener.pcm) <= 32_000
    listener.consuming = True
    listener.decoder.consumed(len(listener.pcm))
    assert listener.error is None
    assert len(listener.pcm) == 6 * 32_000
    assert max(listener.blocks) <= 32_000


def test_a_decoder_is_settled_when_all_that_came_has_been_dealt_with(media):
    webm = media("webm opus", seconds=5.0)
    listener = Listener(consuming=False)
    listener.decoder.feed(webm[: len(webm) // 2])
    assert not listener.decoder.settled
    while len(listener.pcm) < 2 * 32_000:
        assert listener.arrived.acquire(timeout=WAIT_S)
    assert not listener.decoder.settled
    listener.consuming = True
    listener.decoder.consumed(len(listener.pcm))
    for _ in range(WAIT_S * 100):
        if listener.decoder.settled:
            break
        time.sleep(0.01)
    assert listener.decoder.settled
    listener.decoder.feed(webm[len(webm) // 2 :])
    assert not listener.decoder.settled
    listener.decoder.end()
    assert listener.error is None
    assert listener.decoder.settled


def test_input_that_waits_is_told_and_drains(media):
    wav = media("wav", seconds=60.0)
    listener = Listener(consuming=False, ahead_s=1.0)
    backlog = listener.decoder.feed(wav)
    assert backlog == len(wav) > FULL_BYTES or listener.decoder.full
    assert not listener.drained.is_set()
    listener.consuming = True
    assert listener.arrived.acquire(timeout=WAIT_S)
    listener.decoder.consumed(FULL_BYTES)
    assert listener.drained.wait(WAIT_S)
    assert not listener.decoder.full
    listener.decoder.close()
    assert listener.decoder.join(WAIT_S)


@pytest.mark.parametrize("fed", [0, 5, 1_000, 20_000], ids=lambda count: f"{count} bytes fed")
def test_close_ends_a_decoder_that_waits_for_input(fed, media):
    listener = Listener()
    listener.decoder.feed(media("webm opus", seconds=5.0)[:fed])
    listener.decoder.close()
    listener.decoder.close()
    assert listener.decoder.join(WAIT_S)
    assert listener.errors == []


def test_close_ends_a_decoder_that_waits_for_its_reader(media):
    listener = Listener(consuming=False, ahead_s=0.5)
    listener.decoder.feed(media("flac", seconds=6.0))
    assert listener.arrived.acquire(timeout=WAIT_S)
    listener.decoder.close()
    assert listener.decoder.join(WAIT_S)


def test_a_feeder_that_waits_is_woken_by_close():
    listener = Listener(consuming=False)
    listener.decoder.feed(b"\x1aE\xdf\xa3" + bytes(2 * FULL_BYTES))
    listener.decoder.close()
    assert listener.drained.wait(WAIT_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_ends_the_session_instead_of_hanging_it(media, monkeypatch):
    monkeypatch.setattr("streamer.media.track.planar", lambda frame: 1 / 0)
    listener = Listener()
    listener.decoder.feed(media("webm opus"))
    listener.decoder.end()
    assert isinstance(listener.error, InternalError)
