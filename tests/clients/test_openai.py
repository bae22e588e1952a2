"""Clients of OpenAI's Realtime transcription that were told another address."""

import json
import wave

import numpy as np
import pytest
import soxr

from tests.clients.conftest import RATE, SILENCE_S, SPOKEN_S, written

BEGIN = "it was the best of times"
LENGTH_S = SPOKEN_S + SILENCE_S
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def plain(text):
    return "".join(character for character in text.lower() if character.isalpha() or character == " ")


def of(events, kind):
    return [event for event in events if event["type"] == kind]


def transcript(events):
    return plain(" ".join(event["transcript"] for event in of(events, COMPLETED)))


def asked(**input):
    return "input=" + json.dumps(input)


@pytest.fixture(scope="session")
def speech_24k(speech, tmp_path_factory):
    with wave.open(str(speech)) as file:
        samples = np.frombuffer(file.readframes(SPOKEN_S * RATE), np.int16)
    return written(tmp_path_factory.mktemp("speech") / "speech_24k.wav", soxr.resample(samples, RATE, 24_000).astype(np.int16), rate=24_000)


def test_the_sdk_may_ask_for_nothing_and_hears_each_turn_from_its_beginning_to_its_end(said, speech_24k):
    events = said("openai", speech_24k)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "session.created"
    assert "session.updated" not in kinds
    assert "error" not in kinds
    assert transcript(events).startswith(BEGIN)
    assert len({event["event_id"] for event in events}) == len(events)
    before = None
    for completed in of(events, COMPLETED):
        own = [event for event in events if completed["item_id"] in (event.get("item_id"), event.get("item", {}).get("id"))]
        assert [event["type"] for event in own if event["type"] != DELTA] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            COMPLETED,
        ]
        assert own[0]["audio_start_ms"] < of(own, "input_audio_buffer.speech_stopped")[0]["audio_end_ms"] <= LENGTH_S * 1000
        assert of(own, "input_audio_buffer.committed")[0]["previous_item_id"] == before
        before = completed["item_id"]
        assert completed["usage"]["seconds"] > 0
        assert completed["sensevoice"][0]["events"] is not None
    assert len(of(events, DELTA)) >= 3


def test_the_sdk_commits_and_each_commit_has_one_answer(said, speech_24k):
    events = said("openai", speech_24k, asked(turn_detection=None, transcription={"model": "x", "language": "en"}), "commit=4,10.5,10.8")
    (updated,) = of(events, "session.updated")
    assert updated["session"]["audio"]["input"]["turn_detection"] is None
    assert updated["session"]["audio"]["input"]["transcription"]["language"] == "en"
    assert not of(events, "input_audio_buffer.speech_started")
    completed = of(events, COMPLETED)
    committed = of(events, "input_audio_buffer.committed")
    assert [event["item_id"] for event in completed] == [event["item_id"] for event in committed]
    assert len(completed) == 3
    assert transcript(events).startswith(BEGIN)
    assert "wisdom" in plain(completed[1]["transcript"])
    assert completed[2]["transcript"] == ""
    assert all(delta["item_id"] in (completed[0]["item_id"], completed[1]["item_id"]) for delta in of(events, DELTA))
    assert "logprobs" in completed[0]


def test_what_was_cleared_is_not_heard_of_again(said, speech_24k):
    events = said("openai", speech_24k, asked(turn_detection=None), "clear=4", "commit=10.5")
    assert len(of(events, "input_audio_buffer.cleared")) == 1
    (completed,) = of(events, COMPLETED)
    assert BEGIN not in plain(completed["transcript"])
    assert "wisdom" in plain(completed["transcript"])


def test_the_flat_session_of_before_is_understood(said, speech_24k):
    session = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
    }
    events = said("openai", speech_24k, "legacy=" + json.dumps(session))
    (updated,) = of(events, "transcription_session.updated")
    assert updated["session"]["turn_detection"] == {"type": "server_vad", "silence_duration_ms": 300}
    assert of(events, "conversation.item.created")
    assert transcript(events).startswith(BEGIN)


def test_pipecat_commits_turns_and_sees_interim_and_final_frames(said, speech):
    frames = said("pipecat", speech, script="speak_openai.py")
    assert not [frame for frame in frames if frame["frame"] == "ErrorFrame"]
    (final,) = [frame for frame in frames if frame["final"]]
    assert plain(final["text"]).startswith(BEGIN)
    assert final["sensevoice"]
    interim = "".join(frame["text"] for frame in frames if not frame["final"])
    assert plain(interim).startswith(BEGIN)


def test_livekit_sees_speech_begin_interim_and_final_transcripts_and_speech_end(said, speech):
    events = said("livekit", speech, script="speak_openai.py")
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start_of_speech"
    assert "interim_transcript" in kinds
    assert plain(" ".join(event["text"] for event in events if event["event"] == "final_transcript")).startswith(BEGIN)
    assert "end_of_speech" in kinds
