"""What is shown beside the results, on standard error: sentences, partials that settle, a progress bar."""

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Any, Final, TextIO

from tqdm import tqdm

BAR_FROM_S: Final = 10.0  # shorter recordings are done before a bar could be read
CLEAR: Final = "\r\x1b[K"
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
BAR: Final = "{percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} s of audio [{elapsed}<{remaining}]"


class Live:
    """On a terminal one line that is written over and over; elsewhere plain lines. ``bar`` allows a progress bar."""

    def __init__(self, stream: TextIO, *, quiet: bool, bar: bool) -> None:
        self._stream, self._quiet = stream, quiet
        self._terminal = stream.isatty()
        self._wants_bar = bar and self._terminal and not quiet
        self._bar: tqdm[None] | None = None
        self._shown = ""
        self._noticed: set[str] = set()

    def say(self, sentence: str) -> None:
        """A warning, an error, a notice."""
        with self.room():
            self._stream.write(sentence + "\n")
            self._stream.flush()

    def notice(self, sentence: str | None) -> None:
        """What holds for all recordings, such as that this is not the model one would expect: told once, and also when quiet."""
        if sentence and sentence not in self._noticed:
            self._noticed.add(sentence)
            self.say(f"streamer: {sentence}")

    def remark(self, sentence: str) -> None:
        """What one need not know."""
        if not self._quiet:
            self.say(sentence)

    def expect(self, seconds: float) -> None:
        """So much audio is to be heard in all."""
        if self._wants_bar and seconds > BAR_FROM_S:
            self._bar = tqdm(total=seconds, file=self._stream, bar_format=BAR, leave=False)

    def heard(self, seconds: float) -> None:
        """So much more was heard."""
        if self._bar is not None:
            self._bar.update(min(seconds, self._bar.total - self._bar.n))

    def partial(self, message: Mapping[str, Any], *, named: bool) -> None:
        """The open segment's text so far: what is stable, and dim what may still change."""
        if self._quiet:
            return
        stable, unstable = message["stable"], message["unstable"]
        if not stable + unstable:
            return
        if named:
            stable = f"Channel {message['channel'] + 1}: {stable}"
        if stable + unstable == self._shown:
            return
        self._shown = stable + unstable
        if self._terminal:
            stable, unstable = fit(stable, unstable, get_terminal_size().columns - 1)
            self._stream.write(f"{CLEAR}{stable}{DIM}{unstable}{PLAIN}")
        else:
            self._stream.write(f"... {stable}{unstable}\n")
        self._stream.flush()

    @contextmanager
    def room(self) -> Iterator[None]:
        """Whatever is written to the same terminal meanwhile stands alone, above what is shown here."""
        if self._bar is not None:
            self._bar.clear()
        elif self._shown and self._terminal:
            self._stream.write(CLEAR)
            self._stream.flush()
        self._shown = ""
        yield
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        with self.room():
            if self._bar is not None:
                self._bar.close()
                self._bar = None


def fit(stable: str, unstable: str, columns: int) -> tuple[str, str]:
    """The end of both that fits in one line of a terminal: what was said last matters."""
    text = stable + unstable
    room, begin = columns, len(text)
    while begin and (room := room - _columns(text[begin - 1])) >= 0:
        begin -= 1
    if begin == 0:
        return stable, unstable
    begin += 1  # the sign that something is missing takes a column
    return f"…{stable[begin:]}", unstable[max(0, begin - len(stable)) :]


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
