"""Each server's own wire, on messages as they come from it."""

import json
import struct

import numpy as np
import pytest

from streamer.bench.peers.wires import FunasrRealtime, Heard, Native, Said, SherpaOffline, WhisperLiveKit

SAMPLES = np.array([0, 16384, -32768], np.int16)


@pytest.mark.parametrize(
    ("wire", "message", "heard"),
    [
        (Native(), '{"type":"session.created","model":"x"}', [Heard(Said.READY)]),
        (Native(), '{"type":"partial","segment":0,"stable":"so ","unstable":"far"}', [Heard(Said.PARTIAL, "so far")]),
        (Native(), '{"type":"final","segment":0,"text":"So far."}', [Heard(Said.FINAL, "So far.")]),
        (Native(), '{"type":"speech.ended","segment":0}', []),
        (Native(), '{"type":"closed","reason":"stop"}', [Heard(Said.OVER)]),
        (FunasrRealtime(), '{"event": "started"}', [Heard(Said.READY)]),
        (
            FunasrRealtime(),
            '{"sentences": [{"text": "一", "start": 0, "end": 900}], "partial": "二", "partial_start_ms": 900, "is_final": false}',
            [Heard(Said.PARTIAL, "一二", whole=True)],
        ),
        (
            FunasrRealtime(),
            '{"sentences": [{"text": "一二", "start": 0, "end": 900}], "partial": "", "partial_start_ms": 0, "is_final": true}',
            [Heard(Said.FINAL, "一二", whole=True)],
        ),
        (FunasrRealtime(), '{"event": "stopped"}', [Heard(Said.OVER)]),
        (
            SherpaOffline(),
            '{"lang": "<|en|>", "emotion": "<|NEUTRAL|>", "event": "<|Speech|>", "text": "a b", "timestamps": [], "tokens":[]}',
            [Heard(Said.FINAL, "a b"), Heard(Said.OVER)],
        ),
        (WhisperLiveKit(), '{"type": "config", "useAudioWorklet": true, "mode": "full"}', [Heard(Said.READY)]),
        (
            WhisperLiveKit(),
            '{"status": "active_transcription", "lines": [{"speaker": 1, "text": "一"}, {"speaker": -2, "text": null}], '
            '"buffer_transcription": "二", "buffer_diarization": ""}',
            [Heard(Said.PARTIAL, "一二", whole=True)],
        ),
        (WhisperLiveKit(), '{"type": "ready_to_stop"}', [Heard(Said.FINAL), Heard(Said.OVER)]),
    ],
)
def test_a_message_is_what_it_is_to_a_client_that_waits_for_its_text(wire, message, heard):
    assert list(wire.read(message)) == heard


def test_what_opens_carries_and_ends_a_session():
    assert [json.loads(one) for one in Native(partials=False).opening(SAMPLES)] == [
        {"type": "start", "sample_rate": 16_000, "partials": False}
    ]
    assert Native().audio(SAMPLES) == struct.pack("<3h", 0, 16384, -32768)
    assert list(Native().closing()) == ['{"type": "stop"}']
    assert [*FunasrRealtime().opening(SAMPLES), *FunasrRealtime().closing()] == ["START", "STOP"]
    assert list(SherpaOffline().opening(SAMPLES)) == [struct.pack("<ii", 16_000, 12)]
    assert SherpaOffline().audio(SAMPLES) == struct.pack("<3f", 0.0, 0.5, -1.0)
    assert list(SherpaOffline().closing()) == []
    assert [*WhisperLiveKit().opening(SAMPLES), *WhisperLiveKit().closing()] == [b""]
