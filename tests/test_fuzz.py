"""Every decoder that strangers' bytes reach: the same result however they are cut, and a sentence or nothing for what is damaged.

A moment each; longer, with other seeds: ``STREAMER_FUZZ_SECONDS=600 pytest tests/test_fuzz.py``.
Containers are in ``tests/media/test_fuzz.py``.
"""

import asyncio
import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from streamer.core.audio import PcmDecoder
from streamer.core.events import AudioFormat, Encoding, JobKind
from streamer.direct import DirectConnection
from streamer.engine.scripted import heard
from streamer.engine.tensors import Unreadable, read_tensors
from streamer.workers import messages
from streamer.workers.messages import Messages, answer_of, job_of
from streamer.workers.passing import _messages
from tests.fuzzing import damaged, rounds
from tests.test_direct import frame, received
from tests.workers.test_messages import job


def cut(dice, data, most=1_000):
    at = 0
    while at < len(data):
        step = dice.randint(1, most)
        yield data[at : at + step]
        at += step


def test_samples_do_not_depend_on_where_bytes_are_cut():
    for seed, dice in rounds(40):
        shape = AudioFormat(
            encoding=dice.choice(list(Encoding)),
            sample_rate=dice.choice([4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000, 25 * dice.randint(160, 7_680)]),
            channels=dice.randint(1, 8),
            mix=dice.random() < 0.3,
        )
        data = dice.choice([dice.randbytes, bytes])(dice.randint(0, 6_000))
        whole, pieces = PcmDecoder(shape), PcmDecoder(shape)
        expected = np.concatenate((whole.decode(data), whole.finish()), axis=1)
        got = [pieces.decode(piece) for piece in cut(dice, data, dice.choice([3, 50, 5_000]))]
        assert np.array_equal(np.concatenate((*got, pieces.finish()), axis=1), expected), (seed, shape)
        assert expected.dtype == np.int16
        assert len(expected) == shape.heard_channels
        assert pieces.incomplete_bytes == whole.incomplete_bytes


def test_frames_that_are_damaged_give_what_the_library_alone_gives():
    for seed, dice in rounds(150):
        frames = [
            frame(dice.choice([2, 2, 2, 2, 1, 9, 10, 0]), dice.randbytes(dice.choice([0, 5, 125, 126, 640])), mask=dice.randbytes(4))
            for _ in range(dice.randint(1, 12))
        ]
        data = b"".join(frames)
        data = damaged(dice, data) if dice.random() < 0.7 else data
        pieces = list(cut(dice, data, dice.choice([9, 700, 3_000])))
        expected, _ = asyncio.run(received(ServerConnection, pieces))
        assert asyncio.run(received(DirectConnection, pieces))[0] == expected, seed


def test_what_gateways_and_engines_say_does_not_depend_on_where_it_is_cut():
    for seed, dice in rounds(25):
        jobs = [
            job(
                session=dice.choice(["", "é1", "x" * 300]),
                segment=dice.randrange(2**31),
                kind=dice.choice(list(JobKind)),
                samples=np.frombuffer(dice.randbytes(2 * dice.randint(1, 9_000)), np.int16),
            )
            for _ in range(dice.randint(1, 8))
        ]
        data = b"".join(messages.pack_job(n, one, None) + messages.pack_answer(n, heard(one)) for n, one in enumerate(jobs))
        stream = Messages()
        got = [message for piece in cut(dice, data, dice.choice([7, 500, 10_000])) for message in stream.feed(piece)]
        assert len(got) == 2 * len(jobs), seed
        for one, sent, answered in zip(jobs, got[::2], got[1::2], strict=True):
            arrived = job_of(sent, np.zeros(0, np.int16))
            assert (arrived.session, arrived.segment, arrived.kind) == (one.session, one.segment, one.kind)
            assert np.array_equal(arrived.samples, one.samples)
            assert answer_of(answered, one, None).raw_text == heard(one).raw_text


def test_what_is_passed_between_gateways_does_not_depend_on_where_it_is_cut():
    import msgpack

    async def read(pieces):
        reader = asyncio.StreamReader()

        async def write():
            for piece in pieces:
                reader.feed_data(piece)
                await asyncio.sleep(0)
            reader.feed_eof()

        writing = asyncio.create_task(write())
        got = [message async for message in _messages(reader)]
        await writing
        return got

    for seed, dice in rounds(15):
        said = [[dice.choice(["data", "ping", "left"]), dice.choice([dice.randbytes(2_000), "é" * 100, 7])] for _ in range(20)]
        data = b"".join(map(msgpack.packb, said))
        assert asyncio.run(read(list(cut(dice, data, dice.choice([20, 5_000]))))) == said, seed


class _Storage:
    """Pickled as torch does."""


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", "FloatStorage", "0", "cpu", 6) if isinstance(value, _Storage) else None


def saved(change=lambda data: data):
    """The bytes of an archive like torch's with one tensor, and its pickle changed."""

    class FloatTensor:
        def __reduce__(self):
            from torch._utils import _rebuild_tensor_v2

            return _rebuild_tensor_v2, (_Storage(), 0, (2, 3), (3, 1), False, OrderedDict())

    file, pickled = io.BytesIO(), io.BytesIO()
    _Pickler(pickled, 2).dump(OrderedDict(weight=FloatTensor(), epoch=3))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", change(pickled.getvalue()))
        archive.writestr("model/data/0", np.arange(6, dtype="<f4").tobytes())
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize("where", ["archive", "pickle"])
def test_damaged_weights_are_tensors_or_a_sentence(tmp_path, where):
    path = tmp_path / "model.pt"
    path.write_bytes(saved())
    assert read_tensors(path)["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    for seed, dice in rounds(600):
        path.write_bytes(damaged(dice, saved()) if where == "archive" else saved(lambda data, dice=dice: damaged(dice, data)))
        try:
            read_tensors(path)
        except Unreadable as error:
            assert str(error), seed
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


def test_a_few_damaged_bytes_of_weights_do_not_take_all_memory(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(saved(lambda data: data[:2] + b"Nr" + (2**31).to_bytes(4, "little") + b"0" + data[2:]))
    with pytest.raises(Unreadable, match=f"it would remember a value at place {2**31}"):
        read_tensors(path)
