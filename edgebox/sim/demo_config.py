"""Configuration of the demo's box, hub and links, as text."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgebox.config.kinds import Language
from edgebox.config.media import Camera
from edgebox.sim.demo_ports import Ports
from edgebox.sim.demo_sources import Sound
from edgebox.sim.ports import LOOPBACK

BOX = "demo-box"


HEADSET_NAME = "headset.localhost"
"""Loopback stands for the access point; browsers look for this name there without any DNS."""


LINK_NAMES = {"lte-1": "Telenor", "lte-2": "Telia", "nr-1": "Ice"}


LINK_LANES = {
    "lte-1": "trace = 'lte:11:4000000'\ndelay_ms = 25\nloss = 0.002\n",
    "lte-2": "trace = 'lte:22:2500000'\ndelay_ms = 35\nloss = 0.005\n",
    "nr-1": "rate_bps = 2000000\ndelay_ms = 20\njitter_ms = 5\nloss = 0.01\n",
}
"""Three links none of which would do alone all the time."""


def box_config(
    directory: Path, ports: Ports, cameras: Sequence[Camera], sound: Sound, language: Language
) -> str:
    """The box's TOML."""
    links = "".join(
        f"[[bond.link]]\nname = {name!r}\nlabel = {label!r}\n"
        f"source = '127.0.1.{number}'\nremote = '{LOOPBACK}:{port}'\n"
        for number, ((name, label), port) in enumerate(
            zip(LINK_NAMES.items(), ports.links, strict=True), 1
        )
    )
    pictures = "".join(
        "[[media.camera]]\n"
        + "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in msgspec.structs.asdict(camera).items()
            if value is not None
        )
        for camera in cameras
    )
    return f"""
[box]
id = '{BOX}'
vehicle = 'Ambulanse 1'
[bus]
address = '{directory}/box.sock'
[bond]
usage_file = 'bond-usage.json'
hub = '{LOOPBACK}:{ports.bond}'
key_exchange = '{LOOPBACK}:{ports.relay_key_exchange}'
ca = 'pki/ca.pem'
certificate = 'pki/{BOX}.pem'
private_key = 'pki/{BOX}.key'
{links}
[[bond.forward]]
name = 'turn'
listen = '{LOOPBACK}:{ports.turn_box}'
to = '{LOOPBACK}:{ports.turn}'
[[bond.forward]]
name = 'conduit'
listen = '{LOOPBACK}:{ports.conduit_box}'
to = '{LOOPBACK}:{ports.conduit_hub}'
[conduit]
listen = '{LOOPBACK}:{ports.conduit}'
via = '{LOOPBACK}:{ports.conduit_box}'
[media]
turn = '{LOOPBACK}:{ports.turn_box}'
preview_listen = '{LOOPBACK}:{ports.preview}'
[media.microphone]
kind = {json.dumps(sound.microphone.kind)}
source = {json.dumps(sound.microphone.source)}
[media.loudspeaker]
kind = {json.dumps(sound.loudspeaker.kind)}
source = {json.dumps(sound.loudspeaker.source)}
{pictures}
[vitals]
store = 'vitals.db'
[[vitals.monitor]]
id = 'monitor'
name = 'Simulert monitor'
kind = 'intellivue'
address = '{LOOPBACK}:{ports.monitor}'
[panel]
listen = '{LOOPBACK}:{ports.panel}'
language = '{language}'
seal = 'panel-seal'
[headset]
listen = '{LOOPBACK}:{ports.headset}'
name = '{HEADSET_NAME}'
fleet_certificate = 'pki/headset/hub.pem'
fleet_key = 'pki/headset/hub.key'
state = 'headset'
[modems]
bus = 'off'
[gpsd]
address = '{LOOPBACK}:{ports.gpsd}'
[sms]
by = 'gateway'
gateway_url = 'http://{LOOPBACK}:{ports.sms}/send'
gateway_secret = 'turn-secret'
gateway_authorization = ''
[support]
store = 'support.db'
audit = 'support-audit.jsonl'
logs = '.'
shell = 'shell.sock'
recordings = 'recordings'
direct = '{LOOPBACK}:{ports.relay_help}'
"""


def hub_config(directory: Path, ports: Ports, language: Language) -> str:
    """The hub's TOML."""
    return f"""
[bond]
role = 'hub'
listen = '{LOOPBACK}:{ports.bond}'
key_exchange_listen = '{LOOPBACK}:{ports.key_exchange}'
ca = 'pki/ca.pem'
certificate = 'pki/hub.pem'
private_key = 'pki/hub.key'
allow = ['{LOOPBACK}:{ports.turn}', '{LOOPBACK}:{ports.conduit_hub}']
[conduit]
serve = '{LOOPBACK}:{ports.conduit_hub}'
to = '{LOOPBACK}:{ports.broker}'
[hub]
listen = '{LOOPBACK}:{ports.room}'
public_url = 'http://{LOOPBACK}:{ports.room}'
bus = '{directory}/hub.sock'
database = 'sqlite:///{directory}/hub.db'
turn_urls = ['turn:{LOOPBACK}:{ports.turn}?transport=udp']
turn_secret = 'turn-secret'
invite_ttl_s = 86400
staff_listen = '{LOOPBACK}:{ports.staff}'
staff_url = 'https://{LOOPBACK}:{ports.staff}'
staff_ca = 'pki/staff/ca.pem'
staff_certificate = 'pki/hub.pem'
staff_private_key = 'pki/hub.key'
registry_certificate = 'pki/registry.pem'
registry_key = 'pki/registry.key'
registry_ca = 'pki/ca.pem'
support_audit = 'hub-support-audit.jsonl'
language = '{language}'
"""


def links_config(ports: Ports, language: Language) -> str:
    """The simulated links' TOML: three bad mobile links and what TCP goes over them."""
    links = "".join(
        f"[[link]]\nname = {name!r}\nlabel = {label!r}\n"
        f"listen = '{LOOPBACK}:{port}'\ntarget = '{LOOPBACK}:{ports.bond}'\n"
        f"[link.up]\n{LINK_LANES[name]}[link.down]\n{LINK_LANES[name]}"
        for (name, label), port in zip(LINK_NAMES.items(), ports.links, strict=True)
    )
    return f"""
control = '{LOOPBACK}:{ports.control}'
language = '{language}'
{links}
[[relay]]
listen = '{LOOPBACK}:{ports.relay_broker}'
target = '{LOOPBACK}:{ports.broker}'
[[relay]]
listen = '{LOOPBACK}:{ports.relay_help}'
target = '{LOOPBACK}:{ports.help_broker}'
[[relay]]
listen = '{LOOPBACK}:{ports.relay_key_exchange}'
target = '{LOOPBACK}:{ports.key_exchange}'
"""
