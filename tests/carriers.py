"""What telephone carriers send, made from audio, in the shapes of their documentation: each a list of JSON messages."""

import json
from base64 import b64encode

import numpy as np

CALLS = {
    "twilio": "CA0123456789abcdef0123456789abcdef",
    "telnyx": "v3:nl5dSl_T-Eu7mz9LKaVqVxKmCUxI",
    "plivo": "5b3f6d0e-1f4c-4f5e-9a7b-0d6c1f2e3a4b",
    "exotel": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
}
PACKET_MS = 20
SAMPLES_PER_MS = 8
EPOCH_MS = 1_705_312_200_000


def mulaw(samples):
    """int16 to mu-law as ITU-T G.711 has it."""
    sign = samples < 0
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), 32_635) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    return (~((sign << 7) | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def text(data):
    return b64encode(data).decode()


def packets(tracks, *, width=1, packet_ms=PACKET_MS, rate=8_000):
    """Of each track by name, bytes cut as a carrier does: time, name, number on its track and payload, by time."""
    size = packet_ms * rate // 1000 * width
    found = [
        (at * packet_ms, name, at + 1, audio[at * size : (at + 1) * size])
        for name, audio in tracks.items()
        for at in range(-(-len(audio) // size))
    ]
    return sorted(found, key=lambda packet: packet[0])


def twilio(tracks, *, parameters=None, stop=True, call=CALLS["twilio"], **start):
    stream = {"streamSid": "MZ0123456789abcdef0123456789abcdef"}
    opening = {
        "accountSid": "AC0123456789abcdef0123456789abcdef",
        **stream,
        "callSid": call,
        "tracks": list(tracks),
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": parameters or {},
    } | start
    messages = [{"event": "connected", "protocol": "Call", "version": "1.0.0"}]
    messages.append({"event": "start", "sequenceNumber": "1", "start": opening, **stream})
    for n, (at, name, number, payload) in enumerate(packets(tracks), 2):
        media = {"track": name, "chunk": str(number), "timestamp": str(at + 5), "payload": text(payload)}
        messages.append({"event": "media", "sequenceNumber": str(n), "media": media, **stream})
    if stop:
        messages.append({"event": "stop", "sequenceNumber": "9999", "stop": {"accountSid": "AC01", "callSid": call}, **stream})
    return [json.dumps(message) for message in messages]


def telnyx(tracks, *, encoding="PCMU", rate=8_000, parameters=None, stop=True, call=CALLS["telnyx"]):
    stream = {"stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"}
    opening = {
        "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
        "call_control_id": call,
        "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f",
        "from": "+13122010094",
        "to": "+13122123456",
        "custom_parameters": parameters or {},
        "media_format": {"encoding": encoding, "sample_rate": rate, "channels": 1},
    }
    messages = [{"event": "connected", "version": "1.0.0"}]
    messages.append({"event": "start", "sequence_number": "1", "start": opening, **stream})
    width = 2 if encoding.upper() == "L16" else 1
    for n, (at, name, number, payload) in enumerate(packets(tracks, width=width, rate=rate), 2):
        media = {"track": name, "chunk": str(number), "timestamp": str(at), "payload": text(payload)}
        messages.append({"event": "media", "sequence_number": str(n), "media": media, **stream})
    if stop:
        messages.append({"event": "stop", "sequence_number": "9999", "stop": {"user_id": "3E6F", "call_control_id": call}, **stream})
    return [json.dumps(message) for message in messages]


def plivo(tracks, *, encoding="audio/x-mulaw", rate=8_000, extra="", stop=True, said_rate=None):
    opening = {
        "callId": CALLS["plivo"],
        "streamId": "87654321-4321-4321-4321-cba987654321",
        "accountId": "MA0123456789ABCDEF",
        "tracks": list(tracks),
        "mediaFormat": {"encoding": encoding, "sampleRate": said_rate or rate},
    }
    messages = [{"event": "start", "sequenceNumber": 1, "start": opening, "extra_headers": extra}]
    width = 2 if "l16" in encoding else 1
    for n, (at, name, number, payload) in enumerate(packets(tracks, width=width, rate=rate), 2):
        media = {"track": name, "timestamp": str(EPOCH_MS + at), "chunk": number, "payload": text(payload)}
        messages.append({"event": "media", "sequenceNumber": n, "streamId": opening["streamId"], "media": media, "extra_headers": extra})
    if stop:
        messages.append({"event": "stop", "sequenceNumber": 9999, "streamId": opening["streamId"]})
    return [json.dumps(message) for message in messages]


def exotel(audio, *, parameters=None, rate=8_000, stop=True):
    stream = {"stream_sid": "MZ0123456789abcdef0123456789abcdef"}
    opening = {
        **stream,
        "call_sid": CALLS["exotel"],
        "account_sid": "AC01",
        "from": "+919876543210",
        "to": "+918047491899",
        "custom_parameters": parameters or {},
        "media_format": {"encoding": "audio/x-raw", "sample_rate": str(rate), "bit_rate": "16"},
    }
    messages = [{"event": "connected"}, {"event": "start", "sequence_number": "1", **stream, "start": opening}]
    for n, (at, _, number, payload) in enumerate(packets({"": audio}, width=2, packet_ms=100, rate=rate), 2):
        media = {"chunk": str(number), "timestamp": str(at), "payload": text(payload)}
        messages.append({"event": "media", "sequence_number": str(n), **stream, "media": media})
    if stop:
        messages.append(
            {"event": "stop", "sequence_number": "9999", **stream, "stop": {"call_sid": CALLS["exotel"], "reason": "callended"}}
        )
    return [json.dumps(message) for message in messages]
