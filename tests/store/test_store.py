"""What every store does: SQLite with its index of words and without, and PostgreSQL."""

import json
import threading

import pytest

from streamer.store import Append, Close, Open, Wanted
from streamer.store.expiry import expire
from streamer.wires.native import Native
from tests.store.said import OPENED_MS, final, session, spoken


def ids(rows):
    return [row.session.session_id for row in rows]


def test_a_session_is_read_as_it_was_written(store):
    about = session("s", wire="deepgram", call="call 7", format={"channels": 2, "channel_names": ["agent", "客"]}, settings={"itn": True})
    said = [final(0, "Hello."), final(1, "你好 🙂"), final(2, "")]
    outcomes = store.write([Open(about), *(Append("s", one, OPENED_MS) for one in said), Close("s", OPENED_MS + 9, {"audio_ms": 3_000})])
    stored = store.read("s")

    assert outcomes == [None] * 5
    assert stored.listed.session == about
    sent = [json.loads(Native().encode(one)[0]) for one in said]
    assert list(stored.finals) == [{name: value for name, value in message.items() if name != "seq"} for message in sent]
    assert (stored.listed.closed_ms, stored.listed.totals, stored.listed.finals) == (OPENED_MS + 9, {"audio_ms": 3_000}, 3)


def test_a_session_that_was_never_closed_is_listed_with_what_it_has(store):
    store.write(spoken("s", "one", "two", closed=False))
    (row,) = store.list(Wanted())

    assert (row.closed_ms, row.totals, row.finals, row.end_ms, row.excerpt) == (None, {}, 2, 1_900, "one")


def test_the_newest_sessions_come_first_and_a_list_goes_on_where_it_ended(store):
    for n in range(5):
        store.write(spoken(f"s{n}", "words", opened_ms=OPENED_MS + n // 2))
    first = store.list(Wanted(limit=2))
    second = store.list(Wanted(limit=2, before=first[-1].cursor))
    store.delete([second[-1].session.session_id])
    third = store.list(Wanted(limit=2, before=second[-1].cursor))

    assert [ids(first), ids(second), ids(third)] == [["s4", "s3"], ["s2", "s1"], ["s0"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fox", {"en": 2}),
        ("QUICK fox", {"en": 1}),
        ("row", {"en": 1}),
        ("ox", {"en": 2}),
        ("天氣", {"zh": 1}),
        ("今天天氣很好", {"zh": 1}),
        ("好", {"zh": 1}),
        ("straße", {"de": 1}),
        ("STRASSE", {"de": 1}),
        ("100%", {"de": 1}),
        ("0% s", {"de": 1}),
        ("_", {}),
        ("%", {"de": 1}),
        ('"fox', {}),
        ("fox OR dog", {}),
        ("fo* NEAR(x", {}),
        ("'; DROP TABLE streamer_finals; --", {}),
        ("nowhere", {}),
    ],
)
def test_a_search_finds_finals_that_hold_every_word_wherever_in_it(store, query, found):
    store.write(spoken("en", "The quick brown fox", "jumps over a dog", "A fox again", opened_ms=OPENED_MS + 2))
    store.write(spoken("zh", "今天天氣很好", opened_ms=OPENED_MS + 1))
    store.write(spoken("de", "Die Straße ist zu 100% so."))

    assert {row.session.session_id: row.found for row in store.list(Wanted(query=query))} == found


def test_what_was_found_is_shown_and_where(store):
    store.write(spoken("s", "one", "two twelve", "three"))
    (row,) = store.list(Wanted(query="twelve"))

    assert (row.excerpt, row.excerpt_ms, row.found) == ("two twelve", 1_000, 1)


def test_deleting_takes_all_of_a_session_and_nothing_of_another(store):
    store.write(spoken("a", "keep these words"))
    store.write(spoken("b", "forget these words"))

    assert [store.delete(["b", "nobody"]), store.delete(["b"])] == [["b"], []]
    assert store.read("b") is None
    assert ids(store.list(Wanted(query="words"))) == ["a"]


def test_what_a_deleted_session_still_says_is_refused_and_the_others_are_not(store):
    store.write(spoken("a", "one", closed=False))
    store.write(spoken("b", "one", closed=False))
    store.delete(["b"])
    outcomes = store.write([Append("a", final(1, "two"), OPENED_MS), Append("b", final(1, "two"), OPENED_MS), Close("b", OPENED_MS, {})])

    assert [str(outcome) for outcome in outcomes] == ["None", "its transcript has been deleted meanwhile", "None"]
    assert [store.read("a").listed.finals, store.read("b")] == [2, None]


def test_writing_again_what_may_have_been_written_changes_nothing(store):
    operations = spoken("s", "one", "two")
    store.write(operations)

    assert store.write(operations) == [None] * 4
    assert [one["text"] for one in store.read("s").finals] == ["one", "two"]


def test_one_bad_item_does_not_sink_those_that_came_with_it(store):
    bad = Append("s", final(1, "half a character: \ud800"), OPENED_MS)
    good = Append("s", final(2, "two\0three"), OPENED_MS)
    outcomes = store.write([*spoken("s", "one", closed=False), bad, good])

    assert [outcome is None for outcome in outcomes] == [True, True, False, True]
    assert [one["text"] for one in store.read("s").finals] == ["one", "two\0three"]


def test_sessions_expire_by_their_end_and_one_that_was_killed_by_its_last_final(store):
    store.write(spoken("old", "x"))
    store.write(spoken("killed", "x", closed=False))
    store.write(spoken("empty", closed=False))
    store.write(spoken("long", *"xxxxx", closed=False))
    store.write(spoken("closed late", *"xxxxx"))
    store.write(spoken("new", "x", opened_ms=OPENED_MS + 5_000))

    assert expire(store, OPENED_MS + 2_000) == 3
    assert sorted(ids(store.list(Wanted()))) == ["closed late", "long", "new"]
    assert expire(store, OPENED_MS + 2_000) == 0


def test_reading_and_deleting_go_on_beside_a_writer(store):
    def read():
        while not done.is_set():
            seen.append(len(store.read("s0").finals))
            store.list(Wanted(query="words"))

    store.write([Open(session("s0")), Open(session("s1"))])
    done, seen = threading.Event(), []
    reader = threading.Thread(target=read)
    reader.start()
    for n in range(30):
        store.write([Append("s0", final(n, "words"), OPENED_MS)])
    done.set()
    reader.join(20)
    assert seen == sorted(seen)
    assert store.delete(["s1"])
    assert len(store.read("s0").finals) == 30


def test_a_list_is_asked_for_within_bounds():
    for wrong in ({"limit": 0}, {"limit": 201}, {"query": "x" * 201}, {"before": "yesterday"}, {"before": "12"}):
        with pytest.raises(ValueError, match="expected"):
            Wanted(**wrong)
