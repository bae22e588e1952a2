"""Capacity without a machine: many clients of one engine on a virtual clock, with the channels and the queue that serve real ones.

``talk`` says who speaks when, ``clients`` runs channels over it, ``device`` answers them through ``engine.queue`` at the cost of a formula,
``threaded`` does the same with the real scheduler in real time, and ``figures`` counts. What a host costs is not in it.
"""
