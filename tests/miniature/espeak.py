"""espeak-ng through its C library: speech, and the moment at which each word begins, which its command line does not tell."""

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from tests.miniature.words import Language, Unit

SAMPLE_RATE = 16_000
Signal = npt.NDArray[np.float32]

SYNCHRONOUS, BY_CHARACTER, UTF8 = 2, 1, 1
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4
LIST_ENDS, WORD, END = 0, 1, 5


class Event(ctypes.Structure):
    """The library's event record."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


@dataclass(frozen=True, slots=True)
class Manner:
    """How something is said: words a minute, and espeak-ng's pitch and pitch range, 0 to 99."""

    rate: int
    pitch: int
    range: int


class Espeak:
    """One speaker; the library keeps state for its process, so make one per process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = int(self._library.espeak_Initialize(SYNCHRONOUS, 0, None, 0))
        self._audio: list[npt.NDArray[np.int16]] = []
        self._starts: dict[int, int] = {}
        self._marks: list[int] = []
        receive = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
        self._callback = receive(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, audio: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[Event]") -> int:
        if count > 0:
            self._audio.append(np.ctypeslib.as_array(audio, (count,)).copy())
        i = 0
        while events[i].type != LIST_ENDS:
            if events[i].type in (WORD, END):
                self._marks.append(events[i].sample)
                if events[i].type == WORD and events[i].length:
                    self._starts.setdefault(events[i].text_position, events[i].sample)
            i += 1
        return 0

    def say(self, units: list[Unit], language: Language, voice: str, manner: Manner, *, apart: bool) -> Signal:
        """The units spoken, at 16 kHz in [-1, 1]; each unit's span is written into it. ``apart`` puts spaces between words."""
        text, places = "", []
        for i, unit in enumerate(units):
            text += " " if i and unit.word_begins and (apart or language.separator) else ""
            places.append(len(text) + 1)
            text += unit.text + unit.mark
        self._audio, self._starts, self._marks = [], {}, []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"voice is {voice!r}, expected one that espeak-ng has: see espeak-ng --voices")
        for parameter, value in ((RATE, manner.rate), (PITCH, manner.pitch), (RANGE, manner.range), (VOLUME, 90)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, BY_CHARACTER, 0, UTF8, None, None)
        sound = np.concatenate(self._audio).astype(np.float32) / 32768
        self._time(units, places, len(sound))
        return np.asarray(soxr.resample(sound, self._rate, SAMPLE_RATE), np.float32)

    def _time(self, units: list[Unit], places: list[int], length: int) -> None:
        """Words that espeak-ng runs together share the span of the first, in proportion to their letters."""
        groups: list[tuple[int, list[Unit]]] = []
        for unit, place in zip(units, places, strict=True):
            if place in self._starts or not groups:
                groups.append((self._starts.get(place, 0), []))
            groups[-1][1].append(unit)
        marks = sorted({*self._marks, length})
        for begin, members in groups:
            end = next((mark for mark in marks if mark > begin), length)
            letters, done = sum(len(unit.text) for unit in members), 0
            for unit in members:
                unit.begin = int((begin + (end - begin) * done / letters) * SAMPLE_RATE / self._rate)
                done += len(unit.text)
                unit.end = int((begin + (end - begin) * done / letters) * SAMPLE_RATE / self._rate)
