"""How a box comes by its identity: vouchers, certificate requests, certificates. No I/O."""
