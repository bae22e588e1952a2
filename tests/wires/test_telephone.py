"""What a query may say of a call, and values as operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wires import Refused
from streamer.wires.telephone import Asked, call_id, named, rate_of, read_query


def test_the_query_says_nothing_or_all_of_it():
    assert read_query({}) == Asked(call=None, names=(), channels=None, rate=None, language=None, interim=False)
    query = {"call": ["7"], "channel": ["agent", "customer"], "rate": ["16k"], "language": ["en-US"], "interim": ["true"], "other": ["x"]}
    assert read_query(query) == Asked(call="7", names=("agent", "customer"), channels=2, rate=16_000, language="en-US", interim=True)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"rate": ["fast"]}, "rate is 'fast', expected samples a second, such as 8000 or 16k"),
        ({"rate": ["1"]}, "rate is '1', expected"),
        ({"channels": ["3"]}, "channels is '3', expected 1 or 2"),
        ({"channels": ["2"], "channel": ["agent"]}, "channels is 2, but channel names agent; give one channel=name for each"),
        ({"channel": ["a", "b", "c"]}, "channel names ('a', 'b', 'c'), expected at most 2 of at most 64 characters"),
        ({"channel": ["a" * 65]}, "channel names ('aaa"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(query, sentence):
    with pytest.raises(Refused) as caught:
        read_query(query)
    assert caught.value.status == 400
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("value", "rate"),
    [(8_000, 8_000), ("8000", 8_000), ("8k", 8_000), ("48K", 48_000), (16_000.0, 16_000), ("", None), ("k", None), ("٨٠٠٠", None),
     (True, None), (0, None), (1e400, None), (float("nan"), None), ("9" * 9, None), (None, None), ([8_000], None)],
)  # fmt: skip
def test_rates_are_read_as_operators_write_them(value, rate):
    assert rate_of(value) == rate


def test_names_are_found_however_they_are_written():
    said = {"Call-SID": "a", "call_id": None, "sampleRate": 8_000}
    assert named(said, "callid", "callsid") == "a"
    assert named(said, "samplerate") == 8_000
    assert named(said, "uuid") is None
    assert named([said], "callsid") is None


@pytest.mark.parametrize(
    ("value", "id"), [("a", "a"), (12, "12"), ("", None), ("a" * 129, None), (True, None), (None, None), ({}, None), (1 << 63, None)]
)
def test_a_call_is_named_by_a_text_or_a_number(value, id):
    assert call_id(value) == id


@given(st.dictionaries(st.sampled_from(["call", "channel", "channels", "rate", "language", "interim"]), st.lists(st.text(), max_size=3)))
def test_any_query_is_read_or_refused(query):
    try:
        asked = read_query(query)
    except Refused as refused:
        assert refused.status == 400
        assert str(refused)
    else:
        assert len(asked.names) in (0, asked.channels)
