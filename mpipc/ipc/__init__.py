"""Processes, threads, sockets and addresses; knows no protocol.

`address` parses, listens and connects; `channel` moves bytes and decides which thread reads;
`threads` are threads that can be asked to run something; `endpoints` is what users call.
"""
