"""A connection that is fed with what a bad peer sends: real messages, mutated.

    python -m tests.fuzz                      100,000 mutated messages, made at random
    python -m tests.fuzz --messages 10000000  as many as you like; `nice` it
    python -m tests.fuzz --atheris            guided by what the code does with them; needs atheris

An execution is a function of some bytes (`harness.run`): they say which recorded conversation is
played back, and what becomes of each message. So the bytes of one that fails are all it takes to
see it again: `python -m tests.fuzz --replay FILE`.

    transcripts.py   conversations of both ends, recorded in this process
    inline.py        a driver that does everything in one thread, and so always in the same order
    mutations.py     what becomes of messages
    oracle.py        pycapnp's reading of the same message
    harness.py       one execution, and what must hold after it
"""
