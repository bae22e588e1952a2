"""A real browser whose microphone is a WAV file."""

import shutil
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",
]


@contextmanager
def chromium(microphone: Path) -> Iterator[Browser]:
    """Debian's chromium with ``microphone`` playing once; skips the test where it is missing."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=flags)
        yield browser
        browser.close()


def write_tones(path: Path, frequencies: list[int], *, seconds_each: float = 1.0, rate: int = 48_000) -> Path:
    """One sine after the other, so that every moment of a recording can be told by its pitch."""
    time = np.arange(int(seconds_each * rate)) / rate
    sound = np.concatenate([0.4 * np.sin(2 * np.pi * frequency * time) for frequency in frequencies])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return path
