"""Processes, threads, sockets and addresses; knows no protocol.

`endpoints` is what users call. `address` parses addresses, `sockets` listens and connects, `peers`
says who is at the other end, `tls` and `systemd` are what they are called. `server` lets clients
in, and `client` finds a server that may be trusted. `channel` moves a connection's bytes and
decides which thread reads; `threads` are threads that can be asked to run something; `forks` is
what a forked child leaves alone. `references` allow less than an object, `deadlines` end waiting,
and `log` tells of calls.
"""
