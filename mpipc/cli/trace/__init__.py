"""`mpipc trace`: record what goes over connections (`mpipc/recording/`), show it, and make the same
calls again.

proxy.py    stands between clients and a server, and records
reading.py  reads a recorded file
show.py     records as text
replay.py   calls a server as recorded, and compares its answers
"""
