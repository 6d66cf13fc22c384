"""Brings node, wallet and gui up as processes, and lets them do something.

schemas.py     what the declared interfaces become
processes.py   the processes, which a supervisor starts, watches and ends
story.py       what happens: two wallets, a hundred blocks, a payment
status.py      how it stands, for as long as it runs
view.py        how it is shown: as a table in a terminal, as lines elsewhere
"""
