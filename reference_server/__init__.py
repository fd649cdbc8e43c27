"""The reference server: the chat API, kept in full and in as little code as that takes.

Read it in this order: `generation` (one reply), `http_api` and `socket_api` (the two ways to ask
for one), `providers` (where the tokens come from), `sessions` (what is remembered), and last
`server` and `hangup` (what a plain WSGI server lacks).

Everything runs in gevent greenlets on one thread. A greenlet gives way only where it waits, so
code that does not wait needs no lock.
"""
