"""funasr's realtime server with a SenseVoice in the place of its language model.

The server, its sessions, its voice detector and its batcher are funasr's own. What it was written for, Fun-ASR-Nano on vLLM, needs a GPU
and weights from a hub; here its engine's ``generate`` asks ``AutoModel``.
"""

import asyncio
from typing import Any


class _Characters:
    """The tokenizer of a language model's context, which this model does not take: the cheapest that there is."""

    def encode(self, text: str) -> list[str]:
        return list(text)

    def decode(self, tokens: list[str], *, skip_special_tokens: bool) -> str:
        return "".join(tokens)


class _Engine:
    """What the batcher asks: texts of float32 tensors, all in one batch."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.tokenizer = _Characters()

    def generate(self, inputs: list[Any], **asked: Any) -> list[dict[str, Any]]:
        audio = [one.numpy() for one in inputs]
        language = asked.get("language") or "auto"
        found: list[dict[str, Any]] = self._model.generate(input=audio, cache={}, language=language, use_itn=True, batch_size=len(audio))
        return found


def serve(model: str, detector: str, port: int, device: str, threads: int) -> None:
    """Until it is ended, for this machine alone, with its own defaults. ``model`` and ``detector`` are folders."""
    from funasr import AutoModel
    from funasr.bin import realtime_ws as server

    options = server.build_arg_parser().parse_args(["--port", str(port), "--device", device])
    quiet = {"device": device, "disable_update": True, "disable_pbar": True}
    server._vllm_engine = server.RealtimeBatchingEngine(  # noqa: SLF001
        _Engine(AutoModel(model=model, ncpu=threads, **quiet)),
        batch_wait_ms=options.decode_batch_wait_ms,
        max_batch_size=options.decode_max_batch_size,
    )
    server._asr_kwargs = {}  # noqa: SLF001
    server._vad_model = AutoModel(model=detector, ncpu=options.vad_ncpu, **quiet)  # noqa: SLF001

    async def listen() -> None:
        socket = server.build_websocket_serve_kwargs(options)
        async with server.websockets.serve(lambda session: server.handle_client(session, options), "127.0.0.1", port, **socket):
            await asyncio.Future()

    asyncio.run(listen())
