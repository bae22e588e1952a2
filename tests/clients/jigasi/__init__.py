"""jigasi, which is a Java program in a meeting, rebuilt from what its transcription sends, reads and gives up on (read at 6fbf4f2).

It needs websockets and nothing else, but for ``asap``, which signs tokens as ``Util`` does. ``buffer`` is its ``Participant``, ``meeting``
its ``WhisperWebsocket``.
"""
