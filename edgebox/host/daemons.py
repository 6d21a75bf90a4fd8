"""The system programs that run beside us: mosquitto on box and hub, coturn on the hub.

Each `write_...` puts a configuration into a directory and returns the command that runs it in the
foreground. config/mosquitto/ and config/coturn/ hold the same texts for vehicles and servers
(tests/unit/host/test_daemons.py proves it). mosquitto.conf(5), turnserver(1).
"""

import asyncio
import os
import pwd
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebox.config import parse_address
from edgebox.errors import ConfigError, DeviceError
from edgebox.host.files import write_whole

PAYLOAD_MAX = 256 * 1024
"""Bytes. The largest message is an SDP of 64 KiB, whose JSON may double it."""
SYSTEM_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian has mosquitto; not in the search path of everyone."""
PRIVATE_PEERS = (
    "0.0.0.0-0.255.255.255",
    "10.0.0.0-10.255.255.255",
    "100.64.0.0-100.127.255.255",
    "127.0.0.0-127.255.255.255",
    "169.254.0.0-169.254.255.255",
    "172.16.0.0-172.31.255.255",
    "192.0.0.0-192.0.0.255",
    "192.168.0.0-192.168.255.255",
    "198.18.0.0-198.19.255.255",
    "240.0.0.0-255.255.255.255",
    "::1",
    "64:ff9b::-64:ff9b::ffff:ffff",
    "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)
"""A TURN server that relays to these is a door into the network it stands in."""
SOCKET = re.compile(r"/\S{1,106}")
"""mosquitto ends a socket's path at the first space; unix(7) at 107 bytes."""
SECRET = re.compile(rb"[A-Za-z0-9+/=_-]{16,128}")


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one end."""

    ca: Path
    certificate: Path
    private_key: Path


def find_program(name: str, *, package: str) -> str:
    """Full path. Raises DeviceError that says which Debian package to install."""
    path = shutil.which(name) or shutil.which(name, path=SYSTEM_DIRECTORIES)
    if path is None:
        raise DeviceError(f"{name} is not installed: apt install {package}")
    return path


async def until_listening(address: str, *, timeout_s: float = 10.0) -> None:
    """Wait until a TCP or Unix socket accepts. Raises DeviceError after `timeout_s`."""
    deadline_at = time.monotonic() + timeout_s
    while True:
        try:
            if address.startswith("/"):
                _, writer = await asyncio.open_unix_connection(address)
            else:
                _, writer = await asyncio.open_connection(*parse_address(address))
        except OSError as error:
            if time.monotonic() > deadline_at:
                raise DeviceError(
                    f"nothing listens at {address} after {timeout_s:g} s: {error}"
                ) from error
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


# mosquitto --------------------------------------------------------------------------------------


def box_broker_text(
    *, box: str, socket: Path, ways: Sequence[str], tls: TlsFiles, user: str
) -> str:
    """mosquitto.conf of a box.

    `ways`: host:port each, one at least, where the hub's broker is reached; the first that can be.
    """
    # mosquitto wants IPv6 addresses without brackets.
    addresses = " ".join(f"{host}:{port}" for host, port in map(parse_address, ways))
    return f"""\
# The box's nervous system. Reachable through one Unix socket only: its directory and mode say
# by whom (systemd: UMask=0117 and Group=; mosquitto makes it with the umask it is given).
listener 0 {socket}
allow_anonymous true
# After a power cut no old state is told as if it were true: services say theirs anew.
persistence false
# Nothing enters that the hub would refuse: it would come back at every reconnection.
message_size_limit {PAYLOAD_MAX}
# What waits for the hub, and for a slow service: the newest is dropped when it is full.
max_queued_messages 2000
max_queued_bytes 16777216
set_tcp_nodelay true
user {user}
log_dest stderr
log_type error
log_type warning
log_type notice

# To the hub and back, by the first of these ways that leads there. While that is another, the
# first is tried every few seconds.
connection {box}
address {addresses}
round_robin false
remote_clientid {box}
bridge_protocol_version mqttv50
topic box/{box}/up/# out 1
topic box/{box}/down/# in 1
cleansession false
try_private true
# 5 s is the least mosquitto takes: a connection that died in silence is noticed by the hub's
# broker after 7.5 s, by this one after 10 s.
keepalive_interval 5
# Tries again after 1 to 3 s, for ever.
restart_timeout 1 3
# Retained 1 or 0 at $SYS/broker/connection/{box}/state, on both brokers. On the hub it is right.
# Here it stays 1 when a connection dies in silence, as in a tunnel (mosquitto issue 2467, 2.0.11
# and later): who needs to know whether the hub can be reached has to ask it.
notifications true
bridge_cafile {tls.ca}
bridge_certfile {tls.certificate}
bridge_keyfile {tls.private_key}
bridge_tls_version tlsv1.3
"""


def hub_broker_text(
    *,
    socket: Path,
    listen: str,
    tls: TlsFiles,
    acl: Path,
    help_listen: str,
    help_acl: Path,
    user: str,
) -> str:
    """mosquitto.conf of a hub. `listen`: host:port that boxes reach.

    `help_listen`: the same for technical help of a box whose own broker does not get through.
    """
    host, port = parse_address(listen)
    help_host, help_port = parse_address(help_listen)
    return f"""\
per_listener_settings true
# Boxes say their retained states anew whenever they reconnect; the hub's service as well.
# A stored state could only be old.
persistence false
message_size_limit {PAYLOAD_MAX}
max_packet_size {2 * PAYLOAD_MAX}
max_queued_messages 1000
max_queued_bytes 4194304
set_tcp_nodelay true
user {user}
log_dest stderr
log_type error
log_type warning
log_type notice

# For the hub's own service. Its directory and mode say who may connect (systemd: UMask=0117).
listener 0 {socket}
allow_anonymous true

# For boxes, from the Internet: a certificate of the fleet is required, its common name is the
# box id, and the box can be nobody else.
listener {port} {host}
allow_anonymous false
cafile {tls.ca}
certfile {tls.certificate}
keyfile {tls.private_key}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {acl}

# For technical help of a box whose bridge is down: its topics alone. The same certificates, but
# their whole subject is the name, CN=box-1: so it has a client id and topics of its own, does not
# put its bridge out, and can take nobody else's.
listener {help_port} {help_host}
allow_anonymous false
cafile {tls.ca}
certfile {tls.certificate}
keyfile {tls.private_key}
tls_version tlsv1.3
require_certificate true
use_subject_as_username true
use_username_as_clientid true
acl_file {help_acl}
"""


HUB_ACL = """\
# %u is the common name of the certificate: the box id. What is not named here is refused.
pattern write box/%u/up/#
pattern read box/%u/down/#
# The bridge says here that it came, and as its last will that it went.
pattern write $SYS/broker/connection/%u/state
"""
HUB_HELP_ACL = """\
# %u is the subject of the certificate: CN= and the box id. What is not named here is refused.
pattern write box/%u/up/support/#
pattern write box/%u/up/reply/#
pattern read box/%u/down/support/#
"""


def write_box_broker(
    directory: Path, *, box: str, socket: Path, ways: Sequence[str], tls: TlsFiles
) -> Sequence[str]:
    """Configure the box's broker in `directory` (made when missing, for its owner only).

    Raises ConfigError for a socket path that mosquitto cannot use.
    """
    _check_socket(socket)
    text = box_broker_text(box=box, socket=socket, ways=ways, tls=tls, user=_user())
    return _mosquitto(directory, text)


def write_hub_broker(
    directory: Path, *, socket: Path, listen: str, help_listen: str, tls: TlsFiles
) -> Sequence[str]:
    """Configure the hub's broker in `directory` (made when missing, for its owner only).

    Raises ConfigError for a socket path that mosquitto cannot use.
    """
    _check_socket(socket)
    acl, help_acl = directory / "acl", directory / "help-acl"
    text = hub_broker_text(
        socket=socket,
        listen=listen,
        tls=tls,
        acl=acl,
        help_listen=help_listen,
        help_acl=help_acl,
        user=_user(),
    )
    command = _mosquitto(directory, text)
    write_whole(acl, HUB_ACL.encode(), mode=0o600)
    write_whole(help_acl, HUB_HELP_ACL.encode(), mode=0o600)
    return command


def _mosquitto(directory: Path, text: str) -> Sequence[str]:
    program = find_program("mosquitto", package="mosquitto")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "mosquitto.conf"
    write_whole(path, text.encode(), mode=0o600)
    return (program, "-c", str(path))


def _check_socket(socket: Path) -> None:
    if not SOCKET.fullmatch(str(socket)) or len(os.fsencode(socket)) > 107:
        raise ConfigError(f"{socket}: a broker's socket path has 107 bytes at most and no spaces")


def _user() -> str:
    """Started by root, mosquitto becomes this user; else it stays who it is."""
    return pwd.getpwuid(os.geteuid()).pw_name


# coturn -----------------------------------------------------------------------------------------


def turn_server_text(*, listen: str, relay_ip: str, realm: str, directory: Path, lab: bool) -> str:
    """turnserver.conf without the secret. `lab`: peers on loopback and in private networks."""
    host, port = parse_address(listen)
    peers = (
        "# Lab: everything is on this machine.\nallow-loopback-peers\n"
        if lab
        else "# No way into the network this server stands in.\n"
        + "".join(f"denied-peer-ip={peers}\n" for peers in PRIVATE_PEERS)
    )
    return f"""\
# Relays media between browsers and boxes; it sees ciphertext only. UDP and TCP, open to the
# Internet: user names hold their time of expiry and passwords are derived from the secret
# (draft-uberti-behave-turn-rest-00), so only those the hub admitted get an allocation.
listening-ip={host}
listening-port={port}
relay-ip={relay_ip}
min-port=49152
max-port=65535
realm={realm}
use-auth-secret
fingerprint
no-tls
no-dtls
no-cli
no-multicast-peers
no-tcp-relay
no-software-attribute
no-rfc5780
no-stun-backward-compatibility
response-origin-only-with-rfc5780
{peers}\
stale-nonce=600
user-quota=40
total-quota=1200
pidfile="{directory}/turnserver.pid"
userdb="{directory}/turnserver.db"
log-file=stdout
simple-log
"""


def write_turn_server(
    directory: Path, *, listen: str, relay_ip: str, realm: str, secret: bytes, lab: bool
) -> Sequence[str]:
    """Configure coturn in `directory` (made when missing, for its owner only).

    `secret`: shared with the hub's service; 16 to 128 of letters, digits, + / = _ -.
    Raises ConfigError for another secret.
    """
    if not SECRET.fullmatch(secret):
        raise ConfigError("TURN secret: expected 16 to 128 letters, digits, + / = _ or -")
    program = find_program("turnserver", package="coturn")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = turn_server_text(
        listen=listen, relay_ip=relay_ip, realm=realm, directory=directory, lab=lab
    )
    path = directory / "turnserver.conf"
    write_whole(path, f"{text}static-auth-secret={secret.decode()}\n".encode(), mode=0o600)
    return (program, "-c", str(path))
