"""How well each voice detector hears speech, what it costs, and what the endpointer makes of it. ``python -m tests.vad.measure --help``"""
