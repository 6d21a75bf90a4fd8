"""The exceptions this project raises across module borders.

Expected faults (a link down, a camera unplugged) are values and events, not exceptions.
"""


class EdgeboxError(Exception):
    """Base of all; its text is fit to be shown to a technician as one line."""


class ConfigError(EdgeboxError):
    """The configuration refuses to load; the text names file, line, key and what is allowed."""


class DeviceError(EdgeboxError):
    """Hardware or a system program is missing or refuses; the text says what to plug or install."""


class LocalProtocolError(EdgeboxError):
    """Our own code used a protocol core in a state that does not allow it: a bug."""


class RemoteProtocolError(EdgeboxError):
    """Bytes from outside break the protocol; they are dropped and counted."""
