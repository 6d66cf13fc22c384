"""Calls, callbacks, iterators, reconnects and kills for hours, with a ledger of their effects.

`python -m tests.soak --minutes 60`. Every effect that was acknowledged must be in the ledger once;
every other one at most once; and memory must stay flat. CI runs five minutes of it.
"""
