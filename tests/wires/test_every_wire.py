"""Whatever a client sends, in whatever order, and however the engine and the judge behave: no wire raises, and all it says can be sent."""

import base64
import json
from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from streamer.core.events import Close, Connected, Failed, Gone, Judge, Judged, Promote, Pulse, Send, State, Stop, Submit
from streamer.core.session import Session
from streamer.engine.scripted import heard
from streamer.errors import IdleTimeout
from streamer.wires import Handshake, Refused, Said, calls, skynet
from streamer.wires.routes import BY_NAME, ROUTES
from tests.driving import CAPABLE, PLAIN, info, judgement, speech

LONGEST_REASON = 123  # bytes of a close frame

LOUD = speech("#" * 30)
QUIET = speech("." * 40)
SOUNDS = [LOUD.tobytes(), QUIET.tobytes(), (LOUD / 32768).astype("<f4").tobytes(), bytes(60) + LOUD.tobytes(), b"\x00", b""]
ENCODED = [base64.b64encode(sound[:6_400]).decode() for sound in SOUNDS]

WORDS = [
    "type", "event", "config", "eof", "reset", "sample_rate", "mode", "2pass", "offline", "online", "is_speaking", "is_end", "wav_name",
    "hotwords", "start", "stop", "flush", "sync", "id", "configure", "keepalive", "format", "channels", "language", "itn", "KeepAlive",
    "Finalize", "CloseStream", "Configure", "keyterms", "features", "session.update", "transcription_session.update", "session", "audio",
    "input", "rate", "turn_detection", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear", "media",
    "payload", "track", "inbound", "outbound", "chunk", "timestamp", "mediaFormat", "encoding", "connected", "open", "close", "ping",
    "pause", "resume", "update", "discarded", "seq", "serverseq", "parameters", "position", "websocket:connected", "content-type",
    "transcribe", "audio-start", "audio-chunk", "audio-stop", "describe", "data", "data_length", "payload_length", "width", "Done", "START",
    "STOP", "COMMIT", "HOTWORDS:", "LANGUAGE:zh", "zh", "en", "pcm", "", '"', '""',
]  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.sampled_from(WORDS), st.sampled_from(ENCODED),
    st.sampled_from([8000, 16000, "16000", 48000.0, 0, -1, 10**20, "8000", 1, 2]),
)  # fmt: skip
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=5)
)
SAMPLES = [
    {"type": "start", "partials": True, "partial_words": True, "channels": 2},
    {"type": "flush", "id": 1},
    {"type": "sync"},
    {"type": "stop"},
    {"type": "Finalize"},
    {"type": "CloseStream"},
    {"type": "session.update", "session": {"type": "transcription", "audio": {"input": {"turn_detection": None}}}},
    {"type": "input_audio_buffer.append", "audio": ENCODED[0]},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"mode": "2pass", "is_speaking": True, "wav_name": "a", "chunk_size": [5, 10, 5]},
    {"is_speaking": False, "is_end": True},
    {"config": {"sample_rate": 16000, "words": True, "max_alternatives": 1}},
    {"eof": 1},
    {"reset": 1},
    {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "stream_id": "s",
        "start": {
            "callSid": "CA1",
            "callId": "c",
            "call_control_id": "v3:c",
            "streamSid": "MZ1",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    },
    *(
        {"event": "media", "media": {"track": track, "chunk": number, "timestamp": number, "payload": ENCODED[0]}}
        for track in ("inbound", "outbound")
        for number in "135"
    ),
    {"event": "stop"},
    {
        "version": "2",
        "id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "type": "open",
        "seq": 1,
        "serverseq": 0,
        "position": "PT0S",
        "parameters": {
            "organizationId": "o",
            "conversationId": "c",
            "participant": {"id": "p", "ani": "", "aniName": "", "dnis": ""},
            "media": [{"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}],
        },
    },
    {"version": "2", "id": "e160e428", "type": "ping", "seq": 2, "serverseq": 1, "position": "PT1S", "parameters": {}},
    {"version": "2", "id": "e160e428", "type": "close", "seq": 3, "serverseq": 1, "position": "PT1S", "parameters": {"reason": "end"}},
    {"event": "websocket:connected", "content-type": "audio/l16;rate=16000"},
    {"type": "start", "language": "en", "format": "raw", "encoding": "LINEAR16", "sampleRateHz": 8000, "options": {}},
]  # fmt: skip
PLAIN_TEXTS = ["START", "STOP", "COMMIT", "HOTWORDS:a,b", "LANGUAGE:zh", "Done", '{"eof" : 1}', "{", "[]"]
HEADER = (16_000).to_bytes(4, "little") + (3_200).to_bytes(4, "little")
CHUNK = {"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": len(LOUD.tobytes())}
LINES = [
    b'{"type":"describe"}\n',
    b'{"type":"audio-start","data":{"rate":16000,"width":2,"channels":1}}\n',
    json.dumps(CHUNK).encode() + b"\n" + LOUD.tobytes(),
    b'{"type":"audio-stop"}\n',
]
BYTES = [*SOUNDS, *LINES, HEADER, HEADER + SOUNDS[2]]


class AnyClient(RuleBasedStateMachine):
    """One client of a wire that is drawn, before a session with a slow engine and a slow judge. Shared sockets have a test of their own."""

    @initialize(
        name=st.sampled_from([route.name for route in ROUTES if route not in (calls.ROUTE, skynet.ROUTE)]),
        query=st.dictionaries(st.sampled_from(["language", "tags", "sample_rate", "encoding", "channels", "multichannel", "interim_results",
                                               "rate", "inbound", "format", "empty", "call", "x"]), st.lists(st.sampled_from(
                                                   ["en", "16000", "2", "true", "false", "linear16", "mulaw", "agent", "text", "", "a"]),
                                                   min_size=1, max_size=2), max_size=4),
        capable=st.booleans(),
    )  # fmt: skip
    def connect(self, name, query, capable):
        route = BY_NAME[name]
        self.jobs, self.unjudged, self.said, self.closed, self.wire = deque(), deque(), [], None, None
        handshake = Handshake(session_id="s", at="2026-01-31T12:00:00Z", path=(route.paths or ("",))[0].replace("*", "id"), query=query)
        try:
            wire = route.open(handshake)
        except Refused as refused:
            assert 400 <= refused.status < 500
            assert str(refused)
            return
        self.wire, self.stream = wire, route.tcp
        self.session = Session(info(model=CAPABLE if capable else PLAIN))
        self.receive(Connected())
        self.take(self.wire.open())

    def take(self, inputs):
        for event in inputs:
            if isinstance(event, Said):
                self.check(event.written())
            else:
                self.receive(event)

    def receive(self, event):
        for effect in self.session.receive(event):
            match effect:
                case Send(message):
                    for payload in self.wire.encode(message):
                        self.check(payload)
                case Judge(samples):
                    self.unjudged.append(samples)
                case Submit(job):
                    self.jobs.append(job)
                case Promote():
                    pass
                case Close(code, reason):
                    self.closed = self.wire.close(code, reason)
                    assert 1000 <= self.closed[0] < 5000
                    assert len(self.closed[1].encode()) <= LONGEST_REASON
                case _:
                    pass

    def check(self, payload):
        """A message that can be put on a socket; text that begins like JSON is JSON."""
        assert isinstance(payload, str | bytes)
        if isinstance(payload, str):
            payload.encode()
            if payload.startswith("{"):
                json.loads(payload)

    @precondition(lambda self: self.wire)
    @rule(message=ANYTHING | st.sampled_from(SAMPLES))
    def say_json(self, message):
        self.say(json.dumps(message))

    @precondition(lambda self: self.wire)
    @rule(sample=st.sampled_from(SAMPLES), key=st.sampled_from(WORDS), value=ANYTHING)
    def say_something_like_a_message(self, sample, key, value):
        self.say(json.dumps({**sample, key: value}))

    @precondition(lambda self: self.wire)
    @rule(text=st.text(max_size=30) | st.sampled_from(PLAIN_TEXTS))
    def say_text(self, text):
        self.say(text)

    @precondition(lambda self: self.wire)
    @rule(data=st.binary(max_size=80))
    def say_bytes(self, data):
        self.take(self.wire.decode(data))

    @precondition(lambda self: self.wire)
    @rule(number=st.integers(0, len(BYTES) - 1))
    def say_what_clients_say(self, number):
        self.take(self.wire.decode(BYTES[number]))

    @precondition(lambda self: not self.wire)
    @rule()
    def was_refused(self):
        pass

    def say(self, text):
        self.take(self.wire.decode(text.encode() + b"\n" if self.stream else text))

    @precondition(lambda self: self.wire)
    @rule(count=st.integers(1, 5))
    def judge(self, count):
        for _ in range(count):
            if self.unjudged:
                self.receive(Judged(judgement(self.unjudged.popleft())))

    @precondition(lambda self: self.wire)
    @rule(fails=st.booleans())
    def answer(self, fails):
        if self.jobs:
            job = self.jobs.popleft()
            self.receive(Failed(job, "out of luck") if fails else heard(job))

    @precondition(lambda self: self.wire)
    @rule()
    def beat(self):
        self.receive(Pulse(5))

    @precondition(lambda self: self.wire)
    @rule(reason=st.sampled_from([Stop("going_away"), Stop("idle_timeout", IdleTimeout("nothing came"))]))
    def end(self, reason):
        self.receive(reason)

    def teardown(self):
        """However it went, the session comes to its end, and its goodbye can be said."""
        if not self.wire:
            return
        self.take(self.wire.rest())
        self.receive(Stop())
        for _ in range(10_000):
            if not self.unjudged and not self.jobs:
                break
            self.judge(count=5)
            self.answer(fails=False)
        if self.session.state is not State.CLOSED:
            raise AssertionError(f"the session is {self.session.state}")
        assert self.closed
        self.receive(Gone())


TestAnyClient = AnyClient.TestCase
TestAnyClient.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)
