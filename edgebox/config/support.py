"""[support]."""

from typing import Annotated

from msgspec import Meta

from edgebox.config.kinds import OptionalAddress, Section


class Support(Section, frozen=True):
    """Self-test and technical help."""

    store: str = "/var/lib/edgebox/support/support.db"
    """SQLite file with past self-tests and how each link was."""
    audit: str = "/var/lib/edgebox/support/audit.jsonl"
    """Who was let in to look, and what they did: append-only, `edgebox audit` verifies it."""
    logs: str = ""
    """Directory with a NAME.log of each service, where there is no journal; empty: the journal."""
    phone: Annotated[
        str,
        Meta(
            pattern=r"^(\+[1-9][0-9]{4,14})?\Z",
            description="a telephone number with its country code, such as +4712345678",
        ),
    ] = ""
    """Of the technicians on duty, who get the crew's link as a text message; empty: nobody."""
    shell: str = "/run/edgebox-shell.sock"
    """Socket of the command line that the crew may allow a technician; empty: there is none."""
    recordings: str = "/var/lib/edgebox/support/recordings"
    """What went over it: asciinema files, 64 MB at most; their hashes are in the audit trail."""
    direct: OptionalAddress = ""
    """The hub's broker for technical help while the box's own does not get through. Empty: port
    8884 of the host of `bond.key_exchange`."""
