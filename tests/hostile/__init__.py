"""Hostile clients of a real server, which serves an honest one all the while.

`python -m tests.hostile` runs them for as long as one likes and prints what they did, how long the
honest client waited for its answers, and what the server took. docs/security.md has such a report.
"""
