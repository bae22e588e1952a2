"""Clients of FunASR's that come in no package, rebuilt from what theirs send, read and give up on. They need websockets and nothing else.

Each takes the address of a socket, without a path where theirs has none, and PCM16 at 16 kHz.
"""
