"""A folder of recordings, whoever wrote its manifest."""

import wave

import numpy as np
import pytest

from streamer.bench.manifest import read_manifest
from streamer.errors import ConfigurationError, MediaError


def record(path, channels=1, rate=16_000, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.full(int(seconds * rate) * channels, 1000, "<i2").tobytes())
    return path


def manifest(folder, text, encoding="utf-8"):
    (folder / "manifest.csv").write_bytes(text.encode(encoding))
    return read_manifest(folder)


HEAD = "file,source,licence,lang,kind,label,seconds,rate,channels,codec\n"


def test_rows_are_items_and_the_rest_is_skipped_with_its_reason(tmp_path):
    corpus = manifest(
        tmp_path,
        HEAD
        + "en/a.wav,github:x,MIT,en,transcript,hello,1.0,16000,1,PCM_16\n"
        + 'zh/b.wav,"x, y",MIT,zh,vad_ms,"[[70,2340],[2620,6200]]",7,16000,1,PCM_16\n'
        + "r.wav,x,MIT,-,rir,room,1,16000,1,PCM_16\n"
        + "en/a.wav,x,MIT,en,transcript,again,1,16000,1,PCM_16\n"
        + ",x,MIT,en,transcript,nameless,1,16000,1,PCM_16\n"
        + "short\n",
    )

    assert [item.name for item in corpus.items] == ["en/a.wav", "zh/b.wav"]
    assert corpus.items[1].labels.speech == ((70, 2340), (2620, 6200))
    assert corpus.skipped == {
        "r.wav": "a room impulse response is no recording of a room",
        "en/a.wav (line 5)": "it is in the manifest already",
        "line 6": "it names no file",
        "short": "kind is 'transcript', but there is no text to compare with",
    }


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffPath;Language;Kind;Text\na.wav;EN;transcript;hello",
        "text\tfilename\nhello\ta.wav\n",
        "audio_filepath,text\r\na.wav,hello\r\n",
        "file,kind,label\na.wav,,hello\n",
    ],
)
def test_columns_are_found_by_name_whatever_their_order_and_separator(tmp_path, text):
    [item] = manifest(tmp_path, text).items

    assert (item.name, item.labels.text, item.labels.language) == ("a.wav", "hello", "en")


def test_bytes_that_are_no_utf8_cost_no_other_line(tmp_path):
    corpus = manifest(tmp_path, "file,kind,label,lang\na.wav,transcript,caf\xe9\0,fr\nb.wav,transcript,hello,en\n", "latin-1")

    assert [item.name for item in corpus.items] == ["a.wav", "b.wav"]


def test_a_folder_without_a_manifest_or_a_file_column_is_a_sentence(tmp_path):
    with pytest.raises(ConfigurationError, match="has no manifest.csv; expected a folder with one"):
        read_manifest(tmp_path)
    with pytest.raises(ConfigurationError, match="has the columns a, b; expected one named file"):
        manifest(tmp_path, "a,b\n1,2\n")
    with pytest.raises(ConfigurationError, match="has the columns none; expected one named file"):
        manifest(tmp_path, "")


def test_any_rate_and_channels_come_as_16_khz(tmp_path):
    record(tmp_path / "s.wav", channels=2, rate=8_000)
    mixed, apart = manifest(tmp_path, "file,kind,label\ns.wav,transcript,hello\n" + "./s.wav,stereo,(he / she)\n").items

    assert mixed.load().samples.shape == (1, 8_000)
    assert apart.load().samples.shape == (2, 8_000)


def test_what_cannot_be_loaded_is_a_sentence(tmp_path):
    record(tmp_path / "many.wav", channels=9)
    record(tmp_path / "empty.wav", seconds=0)
    (tmp_path / "text.wav").write_text("not audio")
    items = manifest(tmp_path, "file,kind,label\nmany.wav,stereo,x\nempty.wav,noise,x\ntext.wav,noise,x\ngone.wav,noise,x\n").items
    reasons = ["has 9 channels, of which at most 8 can be kept apart", "holds no sound", "text.wav", "does not exist"]

    for item, reason in zip(items, reasons, strict=True):
        with pytest.raises(MediaError, match=reason):
            item.load()


def test_the_real_folder_gives_every_kind(shared_data):
    corpus = read_manifest(shared_data)

    assert len(corpus.items) + len(corpus.skipped) == 135
    assert sum(item.labels.speech is not None for item in corpus.items) >= 46
    assert sum(item.labels.nonspeech for item in corpus.items) >= 11
    assert all("kind" in reason or "RTTM" in reason or "impulse" in reason or "overlapped" in reason for reason in corpus.skipped.values())
