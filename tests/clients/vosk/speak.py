"""vosk-transcriber's own code with ``--server``: says a file through ffmpeg, and prints what it made of the replies.

speak.py ws://HOST:PORT FILE.wav [txt|srt]   a line of JSON: every reply that was logged, and the result

The command cannot be run as it is: it knows one address, ``ws://localhost:2700``, and loads a model from Vosk's site although its server
does the work. Here its class gets another address, and no model.
"""

import json
import logging
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from vosk.transcriber import transcriber


class Replies(logging.Handler):
    """The transcriber logs each reply as it was parsed."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        if isinstance(record.msg, dict):
            self.seen.append(record.msg)


def main(url, path, kind="txt"):
    transcriber.Model = lambda **names: None
    replies = Replies()
    logging.basicConfig(level=logging.INFO, handlers=[replies])
    asked = Namespace(model=None, model_name=None, lang="en-us", server=f"{url}/vosk", tasks=1, output_type=kind)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"result.{kind}"
        transcriber.Transcriber(asked).process_task_list([(Path(path), out)])
        print(json.dumps({"replies": replies.seen, "result": out.read_text(encoding="utf-8")}))


main(*sys.argv[1:])
