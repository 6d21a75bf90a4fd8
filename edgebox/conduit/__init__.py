"""TCP connections over the bond: the broker's bridge outlives the link it happens to use.

The bond carries datagrams. Here each TCP connection is a stream of one QUIC connection (RFC 9000)
whose datagrams the bond carries. Who connects has to speak first, as MQTT does: a stream without a
byte is not announced (RFC 9000, 2.1). docs/decisions/0011-tcp-over-the-bond.md says why.
"""
