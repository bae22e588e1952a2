"""A client of a streamer server (docs/client.md).

async with transcribe("ws://127.0.0.1:8765/ws", "talk.mp3") as events:
    async for event in events:
        if isinstance(event, Final):
            print(event.text)

``connect`` is the layer below, one socket as it is.
"""

from streamer.client.errors import CannotResume, Forbidden, NotFound, Refused, SessionFailed, Unauthorized, Unavailable
from streamer.client.events import AudioLost, Reconnecting, Restarted, Resumed
from streamer.client.microphone import Microphone, microphone
from streamer.client.patience import Patience
from streamer.client.reading import Unknown
from streamer.client.sources import Gap
from streamer.client.sync import SyncTranscription, transcribe_sync
from streamer.client.transcription import Transcription, transcribe
from streamer.client.wire import ClientSession, connect, websocket_url
from streamer.core.events import (
    AudioFormat,
    Closed,
    ErrorSent,
    Final,
    Flushed,
    Heartbeat,
    Message,
    Partial,
    Quiet,
    SessionConfigured,
    SessionCreated,
    Sound,
    SpeechEnded,
    SpeechStarted,
    Synced,
    Warned,
)
from streamer.errors import ConfigurationError, ConnectionFailed, InvalidSetting, MediaError

__all__ = [
    "AudioFormat",
    "AudioLost",
    "CannotResume",
    "ClientSession",
    "Closed",
    "ConfigurationError",
    "ConnectionFailed",
    "ErrorSent",
    "Final",
    "Flushed",
    "Forbidden",
    "Gap",
    "Heartbeat",
    "InvalidSetting",
    "MediaError",
    "Message",
    "Microphone",
    "NotFound",
    "Partial",
    "Patience",
    "Quiet",
    "Reconnecting",
    "Refused",
    "Restarted",
    "Resumed",
    "SessionConfigured",
    "SessionCreated",
    "SessionFailed",
    "Sound",
    "SpeechEnded",
    "SpeechStarted",
    "SyncTranscription",
    "Synced",
    "Transcription",
    "Unauthorized",
    "Unavailable",
    "Unknown",
    "Warned",
    "connect",
    "microphone",
    "transcribe",
    "transcribe_sync",
    "websocket_url",
]
