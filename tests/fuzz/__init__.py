"""Bytes from outside against every parser of the bond and the bus."""
