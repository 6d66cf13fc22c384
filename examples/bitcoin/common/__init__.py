"""What all processes of the example have in common.

process.py         a process from its start to its end: options, lock, IPC, JSON-RPC, signals
options.py         command lines in Bitcoin style
console.py         what the processes print
failures.py        errors that end a program with a message
lock.py            one process at a time for its files in a data directory
link.py            a connection to another process, made again whenever it is lost
subscribers.py     who is told what happens, each in its own thread
unsupported.py     methods that the example does not offer
jsonrpc.py         serving the same objects as JSON-RPC
chainparams.py     regtest
bitcoin.py         Bitcoin's serialized values, with the library
"""
