"""Every message on the bus: its fields, its topic and the direction it travels.

Topics of a box start with `box/<box id>/`. The next word says how far a message goes:
`local` never leaves the box, `up` is bridged to the hub, `down` comes from the hub.
The hub's broker lets a box write only its own `up` and read only its own `down`.

Payloads are JSON with the class name in `type`. Times ending in `_utc` are seconds since 1970.
A topic may hold placeholders in braces; their values travel in the topic, not in the payload.
"""
