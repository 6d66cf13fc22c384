"""How fast are calls between two Python processes? `python -m benchmarks` prints a table.

The claims that it tests, for mpipc against the other ways to do the same:

1. a call costs little more than a round trip over a plain socket;
2. large results become Python objects at a rate that makes an own wire format pointless;
3. callbacks inside calls work from many threads at once.

    work.py         the work, the same for all
    contestant.py   what a contestant is, and the process that serves it
    contestants/    one module per contestant: `serve(path)` and a client
    measure.py      rounds, interleaved so that a busy moment of the machine hits all alike
    report.py       the table and the JSON file
"""
