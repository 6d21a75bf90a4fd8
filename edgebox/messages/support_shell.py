"""A command line for the technician: asked for, granted by the crew apart from the session, open.

What goes over it is SSH between hub and box, cut into the messages below; the brokers carry it and
cannot read it. It needs no way to the hub of its own and opens none to the box.
"""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Id, Message, Request, Topic

ShellState = Literal["none", "off", "asked", "granted", "open"]
"""`none`: this box has no command line to give."""
TunnelId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{32}\Z")]
PublicKey = Annotated[str, Meta(max_length=200, pattern=r"^ssh-ed25519 [A-Za-z0-9+/=]{20,120}\Z")]
Certificate = Annotated[
    str,
    Meta(max_length=2000, pattern=r"^ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/=]{20,1900}\Z"),
]
"""One line, as in sshd(8), AUTHORIZED_KEYS FILE FORMAT."""
BYTES_MAX = 4096


class AskShell(Message, frozen=True, tag="shell-ask"):
    """The technician would like a command line; the crew is asked."""


class OpenShell(Message, frozen=True, tag="shell"):
    """Open what the crew granted, for the holder of this key."""

    tunnel: TunnelId
    key: PublicKey


class ShellOpened(Message, frozen=True, tag="shell-opened"):
    """The box waits for SSH in the tunnel: for this certificate, under this key, once."""

    certificate: Certificate
    host_key: PublicKey
    user: Id
    """The name to log in as; the certificate is good for no other."""


class GrantShell(Message, frozen=True):
    """The crew lets the technician they see have a command line."""

    id: Id
    """Of the session."""


GRANT_SHELL = Request("box/{box}/local/support/shell/grant", GrantShell, Done)


class EndShell(Message, frozen=True):
    """No command line, whether asked for, granted or open; the session goes on."""


END_SHELL = Request("box/{box}/local/support/shell/end", EndShell, Done)


class ShellBytes(Message, frozen=True):
    """A piece of one direction. Pieces are counted from 0; `end`: none follows."""

    n: Annotated[int, Meta(ge=0)]
    data: Annotated[bytes, Meta(max_length=BYTES_MAX)] = b""
    end: bool = False


SHELL_UP = Topic("box/{box}/up/support/shell/{tunnel}", ShellBytes)
SHELL_DOWN = Topic("box/{box}/down/support/shell/{tunnel}", ShellBytes)
