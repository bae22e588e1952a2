"""``streamer serve --workers N``: several gateways on one port, one engine process for each device, and a supervisor over them.

    supervisor ──┬─ gateway 1 … N    sockets, sessions, voice detection, reading of rows; each as ``streamer serve`` in one process
                 └─ engine 1 … M     a scheduler with its thread and its model, for the jobs of all gateways

Gateways and engines talk over Unix sockets in a folder of their own (``messages``); the audio of a job lies in memory that both see
(``arena``). Each child has a socket to the supervisor as its standard input: at its end, however it came about, the child finishes.
"""
