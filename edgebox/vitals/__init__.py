"""The vitals service: what patient monitors say, stored first, then shown and sent to the hub.

monitors/ holds one protocol core per file (no I/O, told the time); port.py, listener.py and udp.py
give them bytes. What they say is in edgebox.observation. recorder.py stores it (store.py), board.py
knows what there is to show, uplink.py and sender.py bring it to the hub once and in order.
"""
