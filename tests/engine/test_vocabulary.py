"""Tags by their pieces, and texts of tokens that join to upstream's text."""

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.ctc import Run
from streamer.engine.vocabulary import Vocabulary
from streamer.errors import ModelCorrupt
from tests.engine import checkpoints


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabularies")

    def written(name, **options):
        path = folder / f"{name}.model"
        if not path.exists():
            path.write_bytes(checkpoints.vocabulary(**options))
        return path

    return written


@pytest.fixture(scope="module")
def bytewise(write):
    path = write("bytewise", byte_fallback=True)
    return Vocabulary(path), sentencepiece.SentencePieceProcessor(model_file=str(path))


def runs_of(ids):
    return [Run(id=id, begin=4 + row, end=5 + row, p=0.5) for row, id in enumerate(ids)]


def test_labels_are_lower_case_and_without_markers(write):
    vocabulary = Vocabulary(write("whole"))
    assert list(vocabulary.languages) == ["zh", "en", "yue", "ja", "ko", "nospeech"]
    assert list(vocabulary.emotions) == "happy sad angry neutral fearful disgusted surprised unknown".split()
    assert list(vocabulary.events) == "speech bgm applause laughter cry sneeze breath cough sing speech_noise unknown".split()
    assert vocabulary.itn


def test_ids_are_those_of_the_pieces(write):
    path = write("whole")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    vocabulary = Vocabulary(path)
    assert vocabulary.languages["yue"] == pieces.piece_to_id("<|yue|>")
    assert vocabulary.emotions["unknown"] == pieces.piece_to_id("<|EMO_UNKNOWN|>")
    assert vocabulary.events["unknown"] == pieces.piece_to_id("<|Event_UNK|>")


def test_a_vocabulary_may_lack_tags(write):
    vocabulary = Vocabulary(write("small", tags=("en", "Speech")))
    assert list(vocabulary.languages) == ["en"]
    assert vocabulary.emotions == {}
    assert list(vocabulary.events) == ["speech"]
    assert not vocabulary.itn


def test_a_vocabulary_without_any_tag_is_another_model(write):
    with pytest.raises(ModelCorrupt, match=r"none of SenseVoice's tags, such as <\|en\|>"):
        Vocabulary(write("none", tags=()))


def test_a_file_that_is_no_vocabulary_is_named(tmp_path):
    path = tmp_path / "bpe.model"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelCorrupt, match=r"bpe\.model cannot be read as a sentencepiece model"):
        Vocabulary(path)


def test_a_token_carries_its_own_space_and_time(write):
    path = write("whole")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ids = pieces.encode("the meeting")
    tokens = Vocabulary(path).tokens(runs_of(ids))
    assert "".join(token.text for token in tokens) == "the meeting"
    assert [token.id for token in tokens] == ids
    assert any(token.text.startswith(" ") for token in tokens)
    assert [(token.begin, token.end) for token in tokens[:2]] == [(0, 480), (480, 1_440)]


def test_the_bytes_of_one_character_are_one_token_with_the_least_of_their_probabilities(bytewise):
    vocabulary, pieces = bytewise
    ids = [pieces.piece_to_id(f"<0x{byte:02X}>") for byte in "é𝄞".encode()]
    runs = [Run(id=id, begin=4 + row, end=5 + row, p=0.9 - row / 10) for row, id in enumerate(ids)]
    first, second = vocabulary.tokens(runs)
    assert (first.text, first.id, first.begin, first.end, first.p) == ("é", ids[0], 0, 1_440, pytest.approx(0.8))
    assert (second.text, second.id, second.begin, second.end, second.p) == ("𝄞", ids[2], 1_440, 5_280, pytest.approx(0.4))


@given(st.data())
def test_texts_of_tokens_join_to_the_decoded_text_whatever_the_ids(bytewise, data):
    vocabulary, pieces = bytewise
    ids = data.draw(st.lists(st.integers(0, pieces.get_piece_size() - 1), max_size=30))
    prompts = [pieces.piece_to_id(f"<|{tag}|>") for tag in ("en", "NEUTRAL", "Speech", "withitn")]
    joined = "".join(token.text for token in vocabulary.tokens(runs_of(ids)))
    assert "<|en|><|NEUTRAL|><|Speech|><|withitn|>" + joined == vocabulary.decode([*prompts, *ids]) == pieces.decode([*prompts, *ids])
