"""Simulated patient monitors: true to their protocols, on a socket or a pty, faults on command.

What they show is synthetic: patient.py. Each protocol has a file; run.py is the command.
"""
