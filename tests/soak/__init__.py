"""Hours of speech, hundreds of clients who come, lose their sockets and leave, and a server that must look afterwards as it did before.

    python -m tests.soak                 # 100 clients at a time, 5 hours of audio, as fast as the machine allows
    python -m tests.soak --clients 300 --hours 100 --minutes 600

The engine is the scripted one, whose words are a function of the audio, so that every client knows every final it must get.
"""
