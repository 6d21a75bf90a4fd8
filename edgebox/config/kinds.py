"""Kinds of value that settings of several sections have."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z",
        description="1 to 32 lower-case letters, digits and hyphens, no hyphen first",
    ),
]


Address = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}\Z",
        description="host:port, an IPv6 address in brackets",
    ),
]


OptionalAddress = Annotated[
    str,
    Meta(
        pattern=r"^\Z|^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}\Z",
        description="host:port, an IPv6 address in brackets, or nothing",
    ),
]


TurnUrl = Annotated[
    str,
    Meta(
        pattern=r"^turns?:[^\s?]+(\?transport=(udp|tcp))?\Z",
        description="turn:host:port or turns:host:port, with ?transport=udp or tcp (RFC 7065)",
    ),
]


Language = Literal["nb", "en"]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every table of the file."""
