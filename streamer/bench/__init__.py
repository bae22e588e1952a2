"""Measuring what a listener reads: labelled audio through the real session, on the clock of the audio itself.

``quality`` ties the parts together. Labels come from ``manifest`` or from ``builtin``, which mixes its own; ``replay`` streams a
recording through ``core.session``; ``segmentation``, ``text``, ``stability`` and ``tags`` count; ``report`` writes the table and the
JSON. Each counting module states its own definitions. Positions here are whole milliseconds of audio, as in messages; shares are
0 to 1. Nothing reads a clock, so the same audio and weights give the same report.
"""
