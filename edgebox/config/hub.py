"""[hub] and [authority]."""

from typing import Annotated

from msgspec import Meta

from edgebox.config.kinds import Address, Language, OptionalAddress, Section, TurnUrl


class Hub(Section, frozen=True):
    """The web application remote help meets in."""

    listen: Address = "127.0.0.1:8090"
    """HTTP; a TLS front (public) or loopback (demo) stands before it."""
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/\s]+\Z",
            description="https://host or http://host, with a port if need be, without a path",
        ),
    ] = "https://hub.example.org"
    """How browsers reach it; invitations are built from it."""
    bus: Annotated[str, Meta(min_length=1)] = "/run/edgebox-hub/bus.sock"
    """The hub's broker: path of its Unix socket, or `host:port`."""
    database: str = "sqlite:////var/lib/edgebox-hub/hub.db"
    """SQLAlchemy URL."""
    turn_urls: tuple[TurnUrl, ...] = (
        "turn:hub.example.org:3478?transport=udp",
        "turn:hub.example.org:3478?transport=tcp",
    )
    """What browsers are told; coturn's `use-auth-secret` shares `turn_secret`."""
    turn_secret: str = "credential:turn-secret"  # noqa: S105 - a file's name
    """File with the secret that TURN passwords are derived from."""
    invite_ttl_s: Annotated[int, Meta(ge=60, le=86_400)] = 900
    """An unused invitation is void after this."""
    vitals_database: str = ""
    """SQLAlchemy URL for what monitors say; empty: in `database`."""
    vitals_keep_h: Annotated[int, Meta(ge=0, le=100_000)] = 72
    """What monitors said is deleted after this; 0: never."""
    vitals_hl7: OptionalAddress = ""
    """The hospital's MLLP listener, which gets what monitors say as HL7 v2; empty: none."""
    vitals_hl7_ca: str = ""
    """PEM file of the authority its TLS certificate is from; empty: no TLS, private network."""
    vitals_fhir: Annotated[
        str,
        Meta(
            pattern=r"^\Z|^https://[^/\s]+(/\S*)?\Z|^http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/\S*)?\Z",
            description="https://..., or http:// to this machine only, or nothing",
        ),
    ] = ""
    """Base address of the hospital's FHIR R4 server, which gets Observations; empty: none."""
    vitals_fhir_token: str = ""
    """File with the bearer token for it; empty: none."""
    vitals_export_waves: bool = False
    """Whether waves go to the hospital as well."""
    staff_listen: OptionalAddress = ""
    """HTTPS for fleet staff and technicians, by client certificate; empty: none."""
    staff_url: Annotated[
        str,
        Meta(pattern=r"^https://[^/\s]+\Z", description="https://host, with a port if need be"),
    ] = "https://hub.example.org:8443"
    """How their browsers reach it."""
    staff_ca: str = "credential:staff-ca.pem"
    """Authority of their certificates, which signs nothing else. The unit (OU) is the role:
    `fleet` or `technician`."""
    staff_certificate: str = "credential:staff.pem"
    """The listener's own certificate, for the host in `staff_url`."""
    staff_private_key: str = "credential:staff.key"
    staff_revoked: str = ""
    """File of certificates that are shut out (`serial:HEX` lines), read again when it changes."""
    registry_certificate: str = ""
    """Who signs the list of the fleet's headsets: a certificate of the fleet's authority with the
    unit `registry`. Empty: no headsets, and no page for them."""
    registry_key: str = "credential:registry.key"
    """Its private key."""
    registry_ca: str = "credential:fleet-ca.pem"
    """The fleet's authority, which devices are told to believe when they are enrolled."""
    headset_listen: OptionalAddress = ""
    """HTTP for the TLS front of the headsets' name (`headset.name` of boxes): for devices outside
    their vehicle; empty: none. Needs `registry_certificate`."""
    headset_acme: str = ""
    """Command of the ACME client that has the boxes' requests signed by DNS-01, without a shell;
    `{csr}` and `{chain}` in it are files (`edgebox headset-certificates`). Empty: none."""
    support_audit: str = "/var/lib/edgebox-hub/support-audit.jsonl"
    """What technicians did, and how each box's own trail ends: `edgebox audit` verifies it."""
    update_directory: str = "/var/lib/edgebox-hub/updates"
    """Bundles that boxes are offered: `edgebox update publish` puts them there."""
    update_keyring: str = "/etc/edgebox-hub/update-keyring.pem"
    """PEM file of who may sign them: the same as in the boxes' image."""
    audit_keep_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    """Who was invited, let in and left, and when, is deleted after this."""
    language: Language = "nb"


class Authority(Section, frozen=True):
    """The fleet's certificate authority, a process of its own on the hub."""

    directory: str = "/var/lib/edgebox-hub-authority"
    """Belongs to the authority's user: `fleet-ca.pem`, `fleet-ca.key` and `register.db` in it."""
