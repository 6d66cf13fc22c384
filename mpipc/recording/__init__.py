"""Recording what goes over connections, decoded by the declarations and without secrets.

recorder.py     `mpipc.record`: the connections of this program
decoder.py      bytes of a connection ──► records
catalogue.py    methods by their numbers on the wire, with what reads their messages
records.py      records, and the file of them
json_values.py  values as JSON, and back
"""
