"""Clients of Deepgram's that were told another address."""

import wave

import numpy as np
import soxr

from tests.clients.conftest import RATE, SPOKEN_S, written

BEGIN = "it was the best of times"


def plain(text):
    return "".join(character for character in text.lower() if character.isalpha() or character == " ")


def transcript(results):
    return plain(" ".join(one["channel"]["alternatives"][0]["transcript"] for one in results if one["is_final"]))


def samples_of(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)[: SPOKEN_S * RATE]


def test_the_sdk_hears_interim_results_finals_and_the_end(said, speech):
    messages = said(
        "deepgram", speech, "interim_results=true", "smart_format=true", "vad_events=true", "utterance_end_ms=1000", "language=en"
    )
    results = [message for message in messages if message["model"] == "ListenV1Results"]
    assert transcript(results).startswith(BEGIN)
    interim = [one for one in results if not one["is_final"]]
    assert len(interim) >= 5
    assert interim[-1]["channel"]["alternatives"][0]["words"]
    final = next(one for one in results if one["is_final"] and one["channel"]["alternatives"][0]["transcript"])
    (alternative,) = final["channel"]["alternatives"]
    words = alternative["words"]
    assert plain(" ".join(word["punctuated_word"] for word in words)) == plain(alternative["transcript"])
    assert all(0 <= word["start"] <= word["end"] <= SPOKEN_S + 2 for word in words)
    assert final["metadata"]["request_id"]
    kinds = [message["model"] for message in messages]
    assert "ListenV1SpeechStarted" in kinds
    assert "ListenV1UtteranceEnd" in kinds
    assert kinds[-2:] == ["ListenV1Metadata", "close"]
    assert messages[-2]["duration"] == SPOKEN_S + 2
    assert messages[-1]["code"] == 1000


def test_finalize_in_the_middle_ends_nothing(said, speech):
    messages = said("deepgram", speech, "finalize=4")
    results = [message for message in messages if message["model"] == "ListenV1Results"]
    finalized = [n for n, one in enumerate(results) if one["from_finalize"]]
    assert len(finalized) == 2  # one in the middle, one at the end, where nothing was left
    assert results[finalized[1]]["channel"]["alternatives"][0]["transcript"] == ""
    assert transcript(results[finalized[0] + 1 :])  # what was said afterwards
    assert "worst" in transcript(results)


def test_a_stream_that_only_keeps_alive_is_kept(said, speech):
    messages = said("deepgram", speech, "quiet=12")
    assert messages[-1] == {"model": "close", "code": 1000}


def test_two_telephone_channels_are_kept_apart(said, speech, tmp_path):
    agent = soxr.resample(samples_of(speech), RATE, 8_000).astype(np.int16)
    customer = np.concatenate([np.zeros(12_000, np.int16), agent])[: len(agent)]
    messages = said("deepgram", written(tmp_path / "call.wav", agent, customer, rate=8_000), "multichannel=true")
    results = [message for message in messages if message["model"] == "ListenV1Results"]
    for channel in (0, 1):
        own = [one for one in results if one["channel_index"] == [channel, 2]]
        assert transcript(own).strip().startswith("it was the best")


def test_pipecat_turns_results_into_frames_and_sees_what_it_finalized(said, speech):
    frames = said("pipecat", speech)
    assert not [frame for frame in frames if frame["frame"] == "ErrorFrame"]
    finals = [frame for frame in frames if frame["final"]]
    assert plain(" ".join(frame["text"] for frame in finals)).startswith(BEGIN)
    assert [frame for frame in frames if not frame["final"]]
    assert all("events" in frame["sensevoice"] for frame in frames)


def test_livekit_sees_speech_begin_interim_and_final_transcripts_and_speech_end(said, speech):
    events = said("livekit", speech)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start_of_speech"
    assert "interim_transcript" in kinds
    assert plain(" ".join(event["text"] for event in events if event["event"] == "final_transcript")).startswith(BEGIN)
    assert "end_of_speech" in kinds
