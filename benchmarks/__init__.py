"""How fast are calls between two Python processes? `python -m benchmarks` prints a table.

The claims that it tests, for mpipc against the other ways to do the same:

1. a call costs little more than a round trip over a plain socket;
2. large results become Python objects at a rate that makes an own wire format pointless;
3. callbacks inside calls work from many threads at once;
4. large `bytes` take at most half as long again as copying them through a plain socket, and large
   views, which go through shared memory, less long than that.

`python -m benchmarks.memory` tests two more:

5. a live object of the other process takes less than 1 KiB in each of the two;
6. a million calls leave nothing behind.

`claims.py` says it in numbers, and the table whether they hold.

    work.py         the work, the same for all
    contestant.py   what a contestant is, and the process that serves it
    contestants/    one module per contestant: `serve(path)` and a client
    measure.py      rounds, interleaved so that a busy moment of the machine hits all alike
    startup.py      what importing and connecting takes
    claims.py       what is claimed, as ratios and limits
    report.py       the tables and the JSON file
    memory.py       what objects and calls leave behind
"""
