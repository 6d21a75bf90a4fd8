"""The configuration as a technician sees it: all of it, none of its secrets."""

import tomllib

from edgebox.config import Config
from edgebox.config.bond import Bond, Link
from edgebox.config.media import Camera, Media
from edgebox.config.vehicle import Sms
from edgebox.support.effective import STRUCK, effective

CONFIG = Config(
    bond=Bond(link=(Link(name="lte-1", interface="wwan0"), Link(name="sat", interface="eth1"))),
    media=Media(
        camera=(
            Camera(id="a", name="Båre", kind="rtsp", source="rtsp://u:hunter2@10.0.0.5/1?key=abc"),
            Camera(id="b", name="Ute", kind="file", source="/films/a?b.mp4"),
        )
    ),
    sms=Sms(
        by="gateway",
        gateway_url="https://sms.test/send?token=abc",
        gateway_authorization="Basic c2VjcmV0",
        gateway_body='{"key": "topsecret"}',
    ),
)


def test_it_is_toml_with_every_part_of_the_box() -> None:
    read = tomllib.loads(effective(CONFIG))
    assert read["bond"]["link"][1]["interface"] == "eth1"
    assert read["bond"]["hub"] == CONFIG.bond.hub
    assert read["media"]["camera"][0]["name"] == "Båre"
    assert read["media"]["camera"][1]["source"] == "/films/a?b.mp4"
    assert "hub" not in read


def test_no_secret_is_in_it() -> None:
    text = effective(CONFIG)
    for secret in ("hunter2", "abc", "c2VjcmV0", "topsecret"):
        assert secret not in text
    assert f"rtsp://{STRUCK}@10.0.0.5/1?{STRUCK}" in text
