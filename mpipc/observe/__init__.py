"""Knowing what goes on: logs, counters and spans of calls.

Each is a watcher (`calls.py`), which wraps the methods of clients and objects of the connections
that are made while it is on. So what is off costs nothing.
"""
