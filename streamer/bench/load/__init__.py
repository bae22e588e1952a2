"""Clients that speak in real time to a running server, and what they waited for.

``speech`` composes what each says, with known begins and ends; ``client`` says it on an absolute clock; ``crowd`` runs many clients in
processes of their own; ``figures`` counts; ``usage`` watches the server's processor time and memory; ``capacity`` searches for how many
are too many; ``local`` starts a server where none was named.

Clocks are ``time.monotonic``, in seconds, the same in all processes of a machine. A chunk is *sent* when its schedule says so, whether or
not the generator kept to it: a server that makes clients late does not get better figures for it.
"""
