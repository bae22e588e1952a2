"""The client that Home Assistant uses, in the way it uses it."""

import numpy as np
import pytest
import soxr

from streamer.core.events import Closed, ErrorSent
from streamer.wires.wyoming import Wyoming
from streamer.wires.wyoming_events import written as event
from tests.clients.conftest import RATE, written
from tests.clients.test_deepgram import BEGIN, plain, samples_of
from tests.driving import Driver
from tests.driving import speech as made_up


def of(kind, events):
    return [event for event in events if event["event"] == kind]


def test_home_assistant_finds_the_model_and_hears_what_was_said(said, ports, speech):
    events = said("wyoming", speech, f"port={ports['wyoming']}", "language=en")
    info, pong, *spoken = events
    (program,) = info["asr"]
    (model,) = program["models"]
    assert (model["name"], model["languages"], model["installed"]) == ("moonshine-tiny-en", ["en"], True)
    assert model["description"] == program["description"] != ""
    assert program["supports_transcript_streaming"]
    assert pong == {"event": "pong", "text": "there?"}
    kinds = [event["event"] for event in spoken]
    assert kinds == ["transcript-start", *["transcript-chunk"] * (len(spoken) - 3), "transcript", "transcript-stop"]
    assert len(spoken) >= 6  # the words of the beginning came before the end was said
    transcript = spoken[-2]["text"]
    assert plain(transcript).startswith(BEGIN)
    assert "worst" in transcript
    appended = "".join(event["text"] for event in of("transcript-chunk", spoken))
    assert plain(appended).split()[:4] == plain(transcript).split()[:4]
    assert spoken[-2]["sensevoice"]


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_other_rates_and_two_channels_are_heard_too(said, ports, speech, tmp_path, rate):
    samples = soxr.resample(samples_of(speech), RATE, rate).astype(np.int16)
    events = said("wyoming", written(tmp_path / "other.wav", samples, samples, rate=rate), f"port={ports['wyoming']}", "speed=4")
    (transcript,) = of("transcript", events)
    assert plain(transcript["text"]).startswith("it was the best")


def test_two_turns_on_one_connection_are_two_transcripts(said, ports, speech):
    events = said("wyoming", speech, f"port={ports['wyoming']}", "speed=4", "turns=2")
    first, second = of("transcript", events)
    assert plain(first["text"]).startswith(BEGIN)
    assert plain(second["text"]).startswith(BEGIN)
    assert len(of("transcript-start", events)) == len(of("transcript-stop", events)) == 2


def test_all_that_is_ever_said_can_be_read_by_the_clients_own_classes(said, tmp_path):
    wire, driver = Wyoming(), Driver()
    sent = b"".join(
        (
            event("describe"),
            event("ping", {"text": "ü"}),
            event("transcribe", {"language": "yue", "transcript_names": ["Ada"]}),
            event("audio-start", {"rate": RATE, "width": 2, "channels": 1}),
        )
    )
    spoken = made_up("." * 20 + "#" * 60 + "." * 60 + "#" * 60).tobytes()
    chunk = event("audio-chunk").replace(b"}", f',"payload_length":{len(spoken)}}}'.encode()) + spoken
    said_at_once = []
    for message in driver.sent:
        said_at_once += wire.encode(message)
    for found in wire.decode(sent + chunk + event("audio-stop")):
        if hasattr(found, "payload"):
            said_at_once.append(found.payload)
        else:
            driver.receive(found)
    answers = [payload for message in driver.sent[1:] for payload in wire.encode(message)]
    failures = [
        ErrorSent(code="transcription_failed", message="no", fatal=False, segment=9, channel=0),
        Closed(reason="going_away", totals={}),
    ]
    answers += [payload for message in failures for payload in wire.encode(message)]
    path = tmp_path / "events"
    path.write_bytes(b"".join(said_at_once + answers))
    events = said("wyoming", path, script="speak_read.py")
    kinds = {event["event"] for event in events}
    assert kinds == {"info", "pong", "transcript-start", "transcript-chunk", "transcript", "transcript-stop", "error"}
    (transcript,) = of("transcript", events)
    assert transcript["text"] == " ".join(final.text for final in driver.finals)
    assert transcript["language"] == "yue"  # as the scripted engine hears what it is told to
