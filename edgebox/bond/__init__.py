"""The bond: UDP datagrams over all links at once. docs/PROTOCOL.md is the wire format.

connection.py is the protocol core (no I/O, told the time) and sums up how its parts meet;
transport.py, exchange.py with key_client.py and key_server.py, box.py and far_end.py do the I/O;
service.py runs it all.
"""
