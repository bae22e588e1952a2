"""Sources: how each is described to the server, and which bytes come of it."""

import asyncio
import io
import sys
import time
import types
import wave

import pytest

from streamer.client import Gap, microphone
from streamer.client.microphone import LiveBuffer
from streamer.client.sources import make_source
from streamer.core.events import AudioFormat, Encoding
from streamer.errors import ConfigurationError, InvalidSetting, MediaError


def wav(frames=b"\1\0\2\0\3\0\4\0", *, channels=1, rate=16_000, width=2):
    file = io.BytesIO()
    with wave.open(file, "wb") as writing:
        writing.setparams((channels, width, rate, 0, "NONE", ""))
        writing.writeframes(frames)
    return file.getvalue()


def pieces(source):
    async def all_of():
        return [piece async for piece in source.open()]

    return asyncio.run(all_of())


def test_a_wav_goes_out_as_it_is_without_its_header(tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(rate=44_100))
    for given in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
        source = make_source(given, {}, realtime=False)
        assert source.format == AudioFormat(sample_rate=44_100)
        assert (pieces(source), pieces(source)) == ([b"\1\0\2\0\3\0\4\0"],) * 2


def test_the_channels_of_a_wav_are_mixed_or_kept_as_asked():
    stereo = wav(channels=2)
    assert make_source(stereo, {}, realtime=False).format == AudioFormat(channels=2, mix=True)
    named = {"channels": 2, "channel_names": ["agent", "customer"]}
    assert make_source(stereo, named, realtime=False).format == AudioFormat(channels=2, channel_names=("agent", "customer"))
    assert make_source(stereo, {"channels": 4}, realtime=False).format.encoding is Encoding.CONTAINER


@pytest.mark.parametrize("data", [b"ID3 and so on", wav(b"\1\2\3", width=3), wav(rate=11_024), b""])
def test_anything_else_is_a_container_and_goes_out_whole(data):
    source = make_source(data, {}, realtime=False)
    assert source.format == AudioFormat(encoding=Encoding.CONTAINER)
    assert (b"".join(pieces(source)), source.again) == (data, True)


def test_a_named_format_is_taken_at_its_word():
    source = make_source(wav(), {"format": "mulaw", "sample_rate": 8_000}, realtime=False)
    assert source.format == AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000)
    assert pieces(source) == [wav()]


def test_iterators_are_pcm_unless_they_say_otherwise():
    async def blocks():
        yield b"ab"
        yield b"cd"

    for given in (blocks(), iter([b"ab", b"cd"]), [b"ab", b"cd"]):
        source = make_source(given, {}, realtime=False)
        assert (source.format, source.again) == (AudioFormat(), False)
        assert pieces(source) == [b"ab", b"cd"]


def test_times_and_bytes_of_audio():
    source = make_source(iter([]), {"format": "pcm_f32le", "sample_rate": 22_050, "channels": 2}, realtime=False)
    assert (source.frame_bytes, source.position(1_001), source.ms(source.position(1_000))) == (8, 22_072 * 8, 1_000)


def test_realtime_sends_a_tenth_of_a_second_when_it_is_over():
    source = make_source(bytes(2 * 4_800), {"format": "pcm_s16le"}, realtime=True)
    began = time.monotonic()
    assert [len(piece) for piece in pieces(source)] == [3_200, 3_200, 3_200]
    assert time.monotonic() - began >= 0.3


def test_realtime_decodes_a_file_here(tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(bytes(3 * 1_600), width=3))
    source = make_source(path, {"channels": 1}, realtime=True)
    assert source.format == AudioFormat()
    assert b"".join(pieces(source)) == bytes(2 * 1_600)


@pytest.mark.parametrize(
    ("given", "asked", "realtime", "kind", "said"),
    [
        ("/nowhere/talk.mp3", {}, False, MediaError, "/nowhere/talk.mp3 does not exist or is no file"),
        (b"", {"format": "opus"}, False, ConfigurationError, "format is 'opus', expected one of pcm_s16le"),
        (b"", {"sample_rate": 7}, False, InvalidSetting, "sample_rate is 7"),
        (b"ID3", {}, True, ConfigurationError, "realtime needs audio whose length is known"),
        (7, {}, False, ConfigurationError, "the source is 7, expected a path, bytes, or an iterator of bytes"),
    ],
)
def test_what_is_no_source_is_a_sentence(given, asked, realtime, kind, said):
    with pytest.raises(kind, match=said):
        make_source(given, asked, realtime=realtime)


def test_a_microphone_that_is_not_listened_to_loses_its_oldest_sound_and_says_how_much():
    buffer = LiveBuffer(limit_bytes=4, bytes_per_s=1_000)
    for block in (b"aa", b"bb", b"cc", b"dd"):
        buffer.put(block)
    assert [buffer.take() for _ in range(4)] == [Gap(4), b"cc", b"dd", None]


class FakeSounddevice(types.ModuleType):
    """Hears these blocks as soon as it is opened, and remembers how that was."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *blocks):
        super().__init__("sounddevice")
        fake = self

        class RawInputStream:
            def __init__(self, *, callback, **options):
                fake.opened, self.callback = options, callback
                if options["device"] == "broken":
                    raise fake.PortAudioError("no such device")

            def __enter__(self):
                for block in blocks:
                    self.callback(memoryview(block), 1, None, None)

            def __exit__(self, *_):
                fake.closed = True

        self.RawInputStream = RawInputStream


def test_a_microphone_listens_until_it_is_closed(monkeypatch):
    fake = FakeSounddevice(b"aa", b"bb", b"cc")
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    listening = microphone(sample_rate=48_000)
    source = make_source(listening, {}, realtime=False)
    assert source.format == AudioFormat(sample_rate=48_000)

    async def story():
        got = []
        async for piece in source.open():
            got.append(piece)
            if len(got) == 3:
                listening.close()
        return got

    assert asyncio.run(story()) == [b"aa", b"bb", b"cc"]
    assert fake.opened == {"samplerate": 48_000, "channels": 1, "dtype": "int16", "blocksize": 1_440, "device": None}
    assert fake.closed


def test_without_the_extra_or_a_device_the_microphone_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice())
    with pytest.raises(MediaError, match=r"the microphone cannot be opened \(no such device\)"):
        pieces(make_source(microphone(device="broken"), {}, realtime=False))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'streamer\[microphone\]'"):
        microphone()
