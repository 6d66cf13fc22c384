"""`mpipc trace`: record what goes over connections, show it, and make the same calls again.

catalogue.py   the methods of a package, by their numbers on the wire
decoder.py     bytes of a connection ──► records
records.py     records, and the file of them
proxy.py       stands between clients and a server, and records
show.py        records as text
replay.py      calls a server as recorded, and compares its answers
"""
