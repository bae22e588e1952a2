"""Files of every kind come out as 16 kHz samples, or as a sentence that says why not."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import MediaError
from streamer.media import decode_file, probe
from streamer.media.frames import mix


def decode(path: Path, channels: int | None = 1) -> tuple[np.ndarray, str | None]:
    with decode_file(path, channels=channels) as audio:
        return np.concatenate(list(audio), axis=1), audio.warning


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency in Hz of 16 kHz samples ``[n]``."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 16_000 / len(samples)


def loudness(samples: np.ndarray) -> float:
    """Decibels against the tone that was encoded."""
    middle = samples[8_000:-8_000].astype(float)
    return 20 * math.log10(np.sqrt(np.mean(middle**2)) / (8192 / math.sqrt(2)))


def test_every_kind_of_file_keeps_its_tone_and_its_length(kind, media, tmp_path):
    samples, warning = decode(written(tmp_path, media(kind)))
    assert warning is None
    assert samples.dtype == np.int16 and len(samples) == 1
    # A frame of padding; bare AAC, which has no header to say so, keeps the encoder's two of 1,024 samples at 44.1 kHz.
    assert abs(samples.shape[1] - 32_000) <= (744 if kind == "adts aac" else 480)
    assert abs(pitch(samples[0]) - 440) < 1
    assert abs(loudness(samples[0])) < 0.6


def test_a_16_khz_wav_comes_out_bit_by_bit(media, tmp_path):
    samples, _ = decode(written(tmp_path, media("wav")))
    time = np.arange(32_000) / 16_000
    assert np.array_equal(samples[0], np.rint(8192 * np.sin(2 * np.pi * 440 * time)).astype(np.int16))


def test_channels_are_kept_apart_or_mixed_down(media, tmp_path):
    path = written(tmp_path, media("wav", hertz=(300.0, 1000.0)))
    apart, _ = decode(path, None)
    assert [round(pitch(channel)) for channel in apart] == [300, 1000]
    mixed, _ = decode(path, 1)
    assert np.array_equal(mixed[0], np.round(apart.astype(np.float32).mean(axis=0)).astype(np.int16))


def test_a_channel_that_the_file_lacks_is_silent(media, tmp_path):
    samples, _ = decode(written(tmp_path, media("wav")), 2)
    assert abs(pitch(samples[0]) - 440) < 1
    assert not samples[1].any()


def test_some_of_many_channels_cannot_be_asked_for(media, tmp_path):
    with pytest.raises(MediaError, match=r"has 6 channels: ask for 1 to mix them, or for all of them, instead of 2"):
        decode_file(written(tmp_path, media("wav", hertz=(300.0,) * 6)), channels=2)


def test_half_of_a_mixed_film_is_its_centre_channel():
    audio = np.zeros((6, 1), np.float32)
    audio[2] = 600
    assert mix(audio, 1, 2).tolist() == [[350.0]]
    assert mix(audio, 1, None).tolist() == [[100.0]]


def test_broken_floats_do_not_poison_the_rest(encode, tmp_path):
    data = bytearray(encode("wav", "pcm_f32le", np.zeros((1, 16_000), np.int16), 16_000))
    data[-4_000:-3_988] = np.array([np.nan, np.inf, -np.inf], "<f4").tobytes()
    samples, _ = decode(written(tmp_path, bytes(data)))
    assert samples[0, -1_000:-997].tolist() == [0, 32767, -32767]
    assert not samples[0, -997:].any()


def test_the_sound_of_a_video_comes_without_its_picture(encode, media, tmp_path):
    audio = np.frombuffer(media("wav")[-64_000:], "<i2").reshape(1, -1)
    path = written(tmp_path, encode("mp4", "aac", audio, 16_000, video=True))
    samples, _ = decode(path)
    assert abs(pitch(samples[0]) - 440) < 1
    assert probe(path).codec == "aac"


def test_sound_that_begins_after_the_picture_keeps_its_time(encode, tmp_path):
    audio = np.full((1, 16_000), 5000, np.int16)
    samples, _ = decode(written(tmp_path, encode("matroska", "flac", audio, 16_000, video=True, delay_s=1.5)))
    assert np.flatnonzero(samples[0])[0] == 24_000
    assert samples.shape[1] == 40_000


def test_probe_tells_what_a_file_holds(media, tmp_path):
    info = probe(written(tmp_path, media("flac", hertz=(300.0, 1000.0))))
    assert (info.codec, info.sample_rate, info.channels, info.duration_s) == ("flac", 44_100, 2, 2.0)
    # A recorder cannot know how long it will run.
    assert probe(written(tmp_path, media("webm opus"))).duration_s is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wav", r"lacks \d+ of the bytes its header says: it is cut off"),
        ("flac", r"ends after \d\.\d s although its header says 6\.0 s: it is cut off"),
        ("mp3", r"ends after \d\.\d s although its header says 6\.0 s: it is cut off"),
        ("m4a index first", r"ends after \d\.\d s although its header says 6\.0 s: it is cut off"),
        ("webm file", r"ends after \d\.\d s although its header says 6\.0 s: it is cut off"),
    ],
)
def test_a_file_that_is_cut_off_is_decoded_as_far_as_it_goes_and_says_so(name, said, media, tmp_path):
    whole = media(name, seconds=6.0)
    path = written(tmp_path, whole[: len(whole) // 2])
    samples, warning = decode(path)
    assert 32_000 < samples.shape[1] < 64_000
    assert warning is not None
    assert warning.startswith(f"{path} ")
    assert re.search(said, warning)


def test_a_damaged_stretch_is_left_out_and_told(media, tmp_path):
    data = bytearray(media("m4a index last", seconds=6.0))
    middle = len(data) // 2
    data[middle : middle + 2_000] = bytes(range(250)) * 8
    samples, warning = decode(written(tmp_path, bytes(data)))
    assert abs(samples.shape[1] - 96_000) < 1_000
    assert warning is not None
    assert "of its packets could not be decoded and were left out" in warning


def test_an_mp4_without_its_end_says_so(media, tmp_path):
    data = media("m4a index last")
    with pytest.raises(MediaError, match="begins like an mp4 but lacks the index at its end: it is cut off"):
        decode_file(written(tmp_path, data[: len(data) * 3 // 4]), channels=1)


@pytest.mark.parametrize(
    "data",
    [
        b"Dear server, please transcribe this.\n" * 100,
        bytes(100_000),
        np.random.default_rng(7).bytes(100_000),
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    ],
    ids=["text", "zeros", "noise", "playlist", "concat script"],
)
def test_what_is_no_media_is_refused_in_a_sentence(data, tmp_path):
    path = written(tmp_path, data)
    with pytest.raises(MediaError, match=f"{path} is not audio or video in a format that can be read"):
        decode_file(path, channels=1)


def test_a_file_without_sound_is_refused(encode, tmp_path):
    path = written(tmp_path, encode("mp4", None, np.zeros((1, 16_000), np.int16), 16_000, video=True))
    with pytest.raises(MediaError, match="has no audio stream, only video; give a file with sound"):
        probe(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(MediaError, match="is a directory, expected an audio or video file"):
        probe(tmp_path)
    with pytest.raises(MediaError, match="missing.wav does not exist"):
        probe(tmp_path / "missing.wav")
    with pytest.raises(MediaError, match="/dev/null is a device or a pipe"):
        probe("/dev/null")
    with pytest.raises(MediaError, match="is empty"):
        probe(written(tmp_path, b""))


def test_a_wav_of_no_samples_is_simply_empty(tmp_path):
    header = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0"
    with decode_file(written(tmp_path, header), channels=1) as audio:
        assert list(audio) == []
        assert audio.warning is None
