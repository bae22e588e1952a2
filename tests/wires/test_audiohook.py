"""AudioHook: who numbers what, what is taken of an offer, and what Genesys reads of what was heard."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Configure,
    Encoding,
    ErrorSent,
    Flush,
    Flushed,
    Heartbeat,
    Language,
    Rejected,
    Settings,
    Start,
    Stop,
)
from streamer.wires import Handshake, Refused, Said
from streamer.wires.audiohook import ROUTE, AudioHook
from streamer.wires.audiohook_open import choose, duration, read_duration
from streamer.wires.routes import route_to
from tests.wires.test_deepgram import CREATED, FINAL, PARTIAL

SESSION = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
CONVERSATION = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
NOBODY = "00000000-0000-0000-0000-000000000000"
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
EXTERNAL, INTERNAL = STEREO | {"channels": ["external"]}, STEREO | {"channels": ["internal"]}
OFFER = [STEREO, EXTERNAL, INTERNAL]

# What Genesys' own sample service declares of server messages: every field there is, and what its values look like.
DURATION = re.compile(r"^PT(?:\d*\.)?\d+S$")
UUID = re.compile(r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$")
LANGUAGE = re.compile(r"^[a-z]{2,3}-[A-Za-z]{2,3}$")
PARAMETERS = {
    "opened": ({"media"}, {"discardTo", "startPaused", "supportedLanguages"}),
    "closed": (set(), set()),
    "pong": (set(), set()),
    "updated": (set(), set()),
    "disconnect": ({"reason"}, {"info"}),
    "event": ({"entities"}, set()),
}
LONGEST = 65_535


class Client:
    """Genesys' side: numbers its messages, and checks each of ours against what is declared."""

    def __init__(self, session=SESSION, **query):
        self.wire = AudioHook(Handshake(session_id="abc", at="", path="/audiohook", query=query, headers={"audiohook-session-id": SESSION}))
        self.session, self.seq, self.serverseq, self.clientseq = session, 0, 0, 0
        self.messages, self.inputs = [], []
        self.hear(CREATED)

    def say(self, kind, position="PT0S", **parameters):
        self.seq += 1
        message = {"version": "2", "type": kind, "seq": self.seq, "serverseq": self.serverseq, "id": self.session, "position": position}
        return self.send(json.dumps(message | {"parameters": parameters}))

    def open(self, media=OFFER, conversation=CONVERSATION, **more):
        participant = {"id": CONVERSATION, "ani": "+1", "aniName": "", "dnis": "+2"}
        return self.say(
            "open", organizationId=CONVERSATION, conversationId=conversation, participant=participant, media=list(media), **more
        )

    def send(self, data):
        """The inputs that come of it; answers are read at once."""
        inputs = []
        for event in self.wire.decode(data):
            if isinstance(event, Said):
                self.read(event.written())
            else:
                inputs.append(event)
        self.inputs += inputs
        return inputs

    def hear(self, *messages):
        for message in messages:
            for payload in self.wire.encode(message):
                self.read(payload)

    def read(self, payload):
        assert len(payload) <= LONGEST
        message = json.loads(payload)
        assert set(message) == {"version", "type", "seq", "clientseq", "id", "parameters"}
        assert message["version"] == "2"
        assert message["seq"] == self.serverseq + 1
        assert self.clientseq <= message["clientseq"]
        required, optional = PARAMETERS[message["type"]]
        assert required <= set(message["parameters"]) <= required | optional
        for entity in message["parameters"].get("entities", []):
            assert set(entity) == {"type", "data"}
        self.serverseq, self.clientseq = message["seq"], message["clientseq"]
        self.messages.append(message)

    @property
    def last(self):
        return self.messages[-1]["type"], self.messages[-1]["parameters"]


def opened(**more):
    client = Client()
    client.open(**more)
    return client


def transcripts(client):
    events = [message["parameters"]["entities"] for message in client.messages if message["type"] == "event"]
    return [entity["data"] for entities in events for entity in entities if entity["type"] == "transcript"]


def test_open_takes_both_sides_and_names_them():
    client = Client()
    inputs = client.open(language="en-US")
    audio = AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000, channels=2, channel_names=("customer", "agent"))
    assert inputs == [Start(audio, Settings(language="en", partials=False, sounds=False))]
    assert client.messages == [
        {
            "version": "2",
            "type": "opened",
            "seq": 1,
            "clientseq": 1,
            "id": SESSION,
            "parameters": {"startPaused": False, "media": [STEREO]},
        }
    ]
    assert client.wire.call == CONVERSATION
    assert client.wire.finishes
    assert route_to("/audiohook", []) is ROUTE


@pytest.mark.parametrize(
    ("offer", "taken", "names"),
    [
        ([EXTERNAL, STEREO], STEREO, ("customer", "agent")),
        ([STEREO | {"channels": ["internal", "external"]}], STEREO | {"channels": ["internal", "external"]}, ("agent", "customer")),
        ([EXTERNAL, INTERNAL], EXTERNAL, ("customer",)),
        ([INTERNAL], INTERNAL, ("agent",)),
        ([STEREO | {"format": "G729"}, INTERNAL | {"format": "L16"}], INTERNAL | {"format": "L16"}, ("agent",)),
        ([STEREO | {"extra": 1}], STEREO | {"extra": 1}, ("customer", "agent")),
    ],
)
def test_of_an_offer_the_first_with_most_sides_is_taken_word_for_word(offer, taken, names):
    media = choose(offer)
    assert (media.offered, media.format.channel_names) == (taken, names)


@pytest.mark.parametrize(
    "offer",
    [None, [], "audio", [None], [{}], [STEREO | {"rate": 0}], [STEREO | {"channels": []}], [STEREO | {"channels": ["external"] * 2}],
     [STEREO | {"channels": [["external"]]}], [STEREO | {"type": "video"}]],
)  # fmt: skip
def test_an_offer_without_anything_to_hear_is_answered_by_a_disconnect(offer):
    client = Client()
    assert client.say("open", media=offer) == []
    kind, parameters = client.last
    assert (kind, parameters["reason"]) == ("disconnect", "error")
    assert parameters["info"].startswith("none of the offered media can be heard")
    assert client.say("close", reason="disconnect") == [Stop()]
    client.hear(Closed(reason="stop", totals={}))
    assert client.last == ("closed", {})


def test_a_probe_is_answered_like_any_other_and_is_no_call():
    client = opened(conversation=NOBODY)
    assert client.last[0] == "opened"
    assert client.wire.call is None
    assert client.say("close", reason="end") == [Stop()]


def test_the_address_may_name_the_call_the_language_and_ask_for_results_that_are_not_final():
    client = Client(call=["7"], language=["ja-JP"], interim=["true"])
    (start,) = client.open(language="en-US")
    assert (client.wire.call, start.settings.language, start.settings.partials) == ("7", "ja", True)
    (start,) = Client().open(customConfig={"interim": True})
    assert start.settings.partials
    with pytest.raises(Refused):
        Client(rate=["fast"])


def test_who_asks_is_told_the_languages_of_the_model():
    client = opened(supportedLanguages=True)
    assert client.last[1]["supportedLanguages"] == ["zh-CN", "cmn-CN", "en-US", "en-AU", "en-GB", "en-IN", "en-NZ", "en-ZA"]
    assert all(LANGUAGE.match(tag) for tag in client.last[1]["supportedLanguages"])


def test_a_ping_is_answered_with_its_own_number_and_an_update_changes_the_language():
    client = opened()
    assert client.say("ping", rtt="PT0.05S") == []
    assert (client.last, client.clientseq) == (("pong", {}), 2)
    assert client.say("update", language="zh-CN") == [Configure({"language": "zh"})]
    assert (client.last, client.clientseq) == (("updated", {}), 3)


def test_what_waits_to_be_written_gets_its_number_only_then():
    client = opened()
    client.seq += 1
    (pong,) = client.wire.decode(
        json.dumps({"version": "2", "type": "ping", "seq": client.seq, "serverseq": 1, "id": SESSION, "position": "PT0S", "parameters": {}})
    )
    client.say("discarded", start="PT0S", discarded="PT1S")
    client.hear(FINAL)  # was to be written before the pong, and has not seen the ping
    assert (client.serverseq, client.clientseq) == (2, 1)
    client.read(pong.written())
    assert (client.serverseq, client.clientseq) == (3, 2)
    client.hear(FINAL)
    assert (client.serverseq, client.clientseq) == (4, 3)


def test_a_final_has_the_fields_that_are_declared_and_no_other():
    client = opened(language="en-GB")
    client.hear(FINAL)
    transcript, extra = client.messages[-1]["parameters"]["entities"]
    assert UUID.match(transcript["data"]["id"])
    assert transcript == {
        "type": "transcript",
        "data": {
            "id": transcript["data"]["id"],
            "channelId": 1,
            "isFinal": True,
            "offset": "PT1S",
            "duration": "PT1S",
            "alternatives": [
                {
                    "confidence": 0.93,
                    "languages": ["en-GB"],
                    "interpretations": [
                        {
                            "type": "display",
                            "transcript": "Hello, world.",
                            "tokens": [
                                {"type": "word", "value": "Hello,", "confidence": 0.9, "offset": "PT1.04S", "duration": "PT0.36S"},
                                {"type": "word", "value": "world.", "confidence": 0.0, "offset": "PT1.4S", "duration": "PT0.5S"},
                            ],
                        }
                    ],
                }
            ],
        },
    }
    assert extra == {
        "type": "sensevoice",
        "data": {
            "id": transcript["data"]["id"],
            "begin_ms": 1_000,
            "end_ms": 2_000,
            "language": {"code": "en", "p": 0.98},
            "emotion": {"label": "happy", "p": 0.7, "scores": {"happy": 0.7, "neutral": 0.3}, "trend": None},
            "events": [{"label": "speech", "p": 0.99}],
            "confidence": 0.93,
            "itn": {"applied": True, "p": 0.95},
            "raw_text": "<|en|><|HAPPY|><|Speech|><|withitn|>Hello, world.",
            "withheld": None,
        },
    }


def test_a_result_that_is_not_final_is_replaced_by_one_of_the_same_id():
    client = opened(customConfig={"interim": True})
    client.hear(PARTIAL, replace(FINAL, channel=0))
    early, last = transcripts(client)
    assert early["id"] == last["id"]
    assert (early["isFinal"], last["isFinal"], early["channelId"]) == (False, True, 0)
    assert early["alternatives"][0]["interpretations"][0]["transcript"] == "Hello, wor"
    assert "languages" not in early["alternatives"][0]


def test_the_channel_is_genesys_own_number_of_the_side():
    client = opened(media=[INTERNAL])
    client.hear(replace(FINAL, channel=0))
    assert transcripts(client)[0]["channelId"] == 1


def test_nothing_is_told_of_a_segment_without_words_but_where_words_were_told():
    client = opened()
    client.hear(replace(FINAL, text="", words=(), segment=1))
    assert transcripts(client) == []
    client.hear(replace(PARTIAL, segment=2), replace(FINAL, text="", words=(), segment=2))
    assert [one["alternatives"][0]["interpretations"][0]["transcript"] for one in transcripts(client)] == ["Hello, wor", ""]


def test_a_message_never_gets_longer_than_genesys_reads():
    client = opened()
    client.hear(replace(FINAL, words=FINAL.words * 2_000))
    (told,) = transcripts(client)
    assert told["alternatives"][0]["interpretations"][0]["tokens"] == []


def test_a_language_without_a_tag_is_not_told():
    client = opened()
    client.hear(replace(FINAL, language=Language(code="nospeech", p=0.9)))
    assert "languages" not in transcripts(client)[0]["alternatives"][0]


def test_a_pause_ends_what_is_being_said_and_its_silence_keeps_the_time():
    client = opened()
    assert client.send(bytes(16_000)) == [Audio(bytes(16_000))]  # one second of both sides
    quiet = Audio(b"\xff" * 640)  # for the last samples to come out of the resampler
    assert client.say("paused", position="PT1S") == [quiet, Flush("paused")]
    client.hear(Flushed(id="paused"))
    assert client.say("paused", position="PT2S") == []
    assert client.say("resumed", position="PT3S", start="PT1S", discarded="PT2S") == [Audio(b"\xff" * (32_000 - 640))]
    assert client.say("paused", position="PT3S") == [quiet, Flush("paused")]
    assert client.messages[1:] == []


def test_discarded_audio_is_filled_once_and_to_whole_frames():
    client = opened(media=[STEREO | {"format": "L16"}])
    assert client.say("discarded", start="PT0S", discarded="PT0.5S") == [Audio(bytes(16_000))]
    assert client.say("discarded", start="PT0S", discarded="PT0.5S") == []
    client.send(bytes(3))
    assert client.say("discarded", start="PT0.5S", discarded="PT0.1S") == [Audio(bytes(1 + 3_200))]


def test_a_long_gap_is_filled_in_part_and_positions_stay_genesys_own():
    client = opened()
    client.send(bytes(16_000))
    (silence,) = client.say("resumed", start="PT1S", discarded="PT600S")
    assert len(silence.data) == 30 * 16_000
    client.hear(FINAL, replace(FINAL, segment=4, begin_ms=32_000, end_ms=33_000, words=()))
    assert [one["offset"] for one in transcripts(client)] == ["PT1S", "PT602S"]
    for n in range(200):  # a stream with many holes keeps its time too
        client.say("discarded", start=duration(601_000 + n * 40_000), discarded="PT40S")
    client.hear(replace(FINAL, segment=5, begin_ms=31_000 + 200 * 30_000, end_ms=31_000 + 200 * 30_000 + 1, words=()))
    assert transcripts(client)[-1]["offset"] == duration(601_000 + 200 * 40_000)


@pytest.mark.parametrize("parameters", [{}, {"start": "PT1S"}, {"start": 1, "discarded": 2}, {"start": "PTS", "discarded": "P1D"}])
def test_a_gap_that_cannot_be_read_is_no_gap(parameters):
    assert opened().say("discarded", **parameters) == []


@pytest.mark.parametrize(
    ("text", "ms"), [("PT0S", 0), ("PT1.25S", 1_250), ("PT3600S", 3_600_000), ("PT0.02S", 20), ("PT1234567.891S", 1_234_567_891)]
)
def test_durations_are_seconds(text, ms):
    assert read_duration(text) == ms
    assert duration(ms) == text
    assert DURATION.match(text)


@pytest.mark.parametrize("text", [None, 1, "", "PT", "PTS", "PT.S", "PT-1S", "PT1M", "1S", "PT1S\n", "PT" + "9" * 30 + "S"])
def test_what_is_no_duration_is_none(text):
    assert read_duration(text) is None


def test_close_is_answered_when_all_was_told_and_the_client_closes_the_socket():
    client = opened()
    assert client.say("close", reason="end") == [Stop()]
    client.hear(FINAL)
    assert client.clientseq == 1  # it has not been answered yet
    client.hear(Closed(reason="stop", totals={}))
    assert (client.last, client.clientseq) == (("closed", {}), 2)
    assert client.wire.client_closes_s > 0
    assert client.say("ping") == []
    assert client.last[0] == "closed"


@pytest.mark.parametrize(
    ("messages", "reason", "info"),
    [
        ([Closed(reason="going_away", totals={})], "completed", "going_away"),
        (
            [ErrorSent(code="idle_timeout", message="nothing came", fatal=True), Closed(reason="idle_timeout", totals={})],
            "error",
            "nothing came",
        ),
    ],
)
def test_where_the_server_ends_it_says_why_and_still_answers_the_close(messages, reason, info):
    client = opened()
    client.hear(*messages)
    assert client.last == ("disconnect", {"reason": reason, "info": info})
    assert client.say("close", reason="disconnect") == []
    assert client.last == ("closed", {})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "1", "{}"),
        '{"version":"1","type":"open","seq":1,"id":"a"}',
        '{"version":"2","type":"open"}',
        '{"version":"2","type":"open","seq":true,"id":"a"}',
        '{"version":"2","type":"open","seq":0,"id":"a"}',
    ],
)
def test_what_is_no_message_is_told_once_and_only_the_close_is_heard_after_it(text):
    client = opened()
    assert client.send(text) == []
    kind, parameters = client.last
    assert (kind, parameters["reason"], parameters["info"][:29]) == ("disconnect", "error", "the text message is not an Au")
    (rejected,) = client.send(text)
    assert isinstance(rejected, Rejected)
    assert client.send(b"\xff\xff") == []
    client.hear(ErrorSent(code="invalid_message", message="x", fatal=False), FINAL)
    assert client.last[0] == "event"  # what was owed is still told
    assert client.say("close", reason="disconnect") == [Stop()]


def test_a_message_out_of_order_or_of_another_session_is_a_fault():
    client = opened()
    client.seq = 0
    client.say("ping")
    assert client.last == ("disconnect", {"reason": "error", "info": "seq is 1 after 1, expected a greater one"})
    client = opened()
    client.session = CONVERSATION
    client.say("ping")
    assert client.last[1]["info"] == f"id is '{CONVERSATION}', but this session is '{SESSION}'"


def test_before_its_first_message_a_session_has_the_id_of_the_handshake():
    client = Client()
    client.send("nonsense")
    assert client.messages[0]["id"] == SESSION


def test_what_others_send_and_what_has_no_place_is_ignored():
    client = opened()
    for kind in ("dtmf", "playback_started", "error", "open", "whatever"):
        assert client.say(kind, code=400, message="x") == []
    client.hear(Heartbeat(received_ms=1, processed_ms=1, queue_ms=0), ErrorSent(code="transcription_failed", message="x", fatal=False))
    assert [message["type"] for message in client.messages] == ["opened"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["PT1S", "PT40S", "en-US"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10) | st.sampled_from(["media", "start", "discarded"]), inner)
    ),
)
KINDS = ["open", "close", "ping", "update", "paused", "resumed", "discarded", "error", "dtmf"]


@given(st.text() | st.binary() | VALUES.map(json.dumps))
def test_nothing_that_a_client_sends_raises(data):
    client = Client()
    for event in client.send(data):
        assert isinstance(event, Audio | Rejected)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*KINDS, "open", "heard", "sound", "over", "text"]),
            st.dictionaries(st.sampled_from(["media", "start", "discarded", "language", "reason"]), VALUES | st.just(OFFER)),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_whatever_comes_our_numbers_go_up_one_by_one(steps):
    """``Client.read`` checks each message, also those that had to wait."""
    client = Client()
    waiting, over, started = [], False, False

    def write():
        for one in waiting:
            client.read(one.written()) if isinstance(one, Said) else client.hear(one)
        waiting.clear()

    for kind, parameters, flush in steps:
        if kind == "heard":
            waiting += [PARTIAL, FINAL] if started and not over else []
        elif kind == "over":
            waiting += [] if over else [Closed(reason="going_away", totals={})]
            over = True
        else:
            data = b"\xff" * 321 if kind == "sound" else "{" if kind == "text" else None
            if data is None:
                client.seq += 1
                data = json.dumps({"version": "2", "type": kind, "seq": client.seq, "id": SESSION, "parameters": parameters})
            for event in client.wire.decode(data):
                started = started or isinstance(event, Start)
                if isinstance(event, Said):
                    waiting.append(event)
                elif isinstance(event, Stop) and not over:
                    waiting.append(Closed(reason="stop", totals={}))
                    over = True
        if flush:
            write()
    write()
