"""Recordings: files that are whole after every piece, aligned with the transcript, and gone with their session."""

import threading
import wave

import numpy as np
import pytest

from streamer.store.recordings import Piece, Recorder, Recordings
from streamer.store.sqlite import SqliteStore
from tests.store.said import spoken


def heard(path):
    """The file's samples, ``[n, channels]``."""
    with wave.open(str(path)) as reading:
        assert (reading.getframerate(), reading.getsampwidth()) == (16_000, 2)
        return np.frombuffer(reading.readframes(reading.getnframes()), "<i2").reshape(-1, reading.getnchannels())


def piece(at, values, *, first=False, channels=1):
    return Piece("s", channels, at, np.asarray(values, "<i2").tobytes(), first)


def test_a_file_is_whole_after_every_piece_and_its_owners_alone(tmp_path):
    recordings = Recordings(tmp_path / "audio")
    recordings.write(piece(0, [1, 2, 3, 4], channels=2, first=True))
    assert heard(recordings.path("s")).tolist() == [[1, 2], [3, 4]]
    recordings.write(piece(2, [5, 6], channels=2))
    assert heard(recordings.path("s")).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "audio", recordings.path("s"))] == ["0o700", "0o600"]


def test_what_was_not_recorded_is_silence(tmp_path):
    recordings = Recordings(tmp_path)
    recordings.write(piece(2, [1], first=True))
    recordings.write(piece(5, [2]))
    assert heard(recordings.path("s")).ravel().tolist() == [0, 0, 1, 0, 0, 2]


def test_no_name_leads_out_of_the_folder(tmp_path):
    recordings = Recordings(tmp_path)
    assert [recordings.path(name) for name in ("../x", "a/b", "", ".", "a.b", "é")] == [None] * 6
    assert [recordings.size(name) for name in ("../x", "nobody")] == [0, 0]


def test_audio_goes_with_its_session_and_does_not_come_back(tmp_path):
    store = SqliteStore(tmp_path / "t.db")
    store.write(spoken("s", "words"))
    recordings = Recordings.beside(tmp_path / "t.db")
    recordings.write(piece(0, [1, 2], first=True))
    assert store.recording("s") == tmp_path / "t.db.audio" / "s.wav"
    store.delete(["s"])
    assert store.recording("s") is None
    with pytest.raises(FileNotFoundError):
        recordings.write(piece(2, [3]))
    store.close()


def test_a_disk_that_is_too_slow_or_full_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("streamer.store.recordings.WAITING_BYTES", 4)
    free, why = threading.Event(), []

    class Stuck(Recordings):
        def write(self, piece):
            assert free.wait(20)
            raise OSError(28, "No space left on device")

    recorder = Recorder(Stuck(tmp_path))
    recorder.submit(piece(0, [1, 2], first=True), why.append)
    recorder.submit(piece(2, [3]), why.append)
    assert why == ["the disk is too slow"]
    free.set()
    recorder.close()
    assert why == ["the disk is too slow", "No space left on device"]
