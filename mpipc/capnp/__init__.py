"""Run time of the protocol: encoding, and two-party RPC as a state machine without I/O.

`message` reads what the other end wrote, `writer` writes, `frame` cuts a byte stream into messages,
`rpc_messages` lays out the protocol's own messages, `session` is the state machine, `proxy` holds
the base classes of generated clients and servers.
"""
