"""The fleet's certificate authority, on the hub: the one process that has its key.

It speaks on the hub's broker only and listens to nobody else. The web side hands it requests of
fresh boxes, which prove a voucher's secret; boxes ask for renewal themselves.
"""
