from pathlib import Path

import pytest

from edgebox.config import load
from edgebox.errors import ConfigError
from edgebox.provision.config_edit import with_identity

EXAMPLE = Path("config/edgebox.toml")


def test_the_documented_file_keeps_all_but_the_identity(tmp_path: Path) -> None:
    before = EXAMPLE.read_text()
    after = with_identity(before, box="box-7", vehicle='Bil "7" ø', hub="hub.fleet.example")
    changed = [
        (old, new)
        for old, new in zip(before.splitlines(), after.splitlines(), strict=True)
        if old != new
    ]
    assert [new for _, new in changed] == [
        'id = "box-7"',
        'vehicle = "Bil \\"7\\" ø"',
        'hub = "hub.fleet.example:4500"',
        'key_exchange = "hub.fleet.example:4443"',
    ]
    path = tmp_path / "edgebox.toml"
    path.write_text(after)
    config = load(path)
    assert (config.box.id, config.box.vehicle) == ("box-7", 'Bil "7" ø')


def test_ports_and_remarks_stay(tmp_path: Path) -> None:
    text = '[bond]\nhub = "old.example:9000" # the port of our firewall\n[panel]\n'
    after = with_identity(text, box="b", vehicle="v", hub="2001:db8::1")
    assert 'hub = "[2001:db8::1]:9000" # the port of our firewall' in after
    path = tmp_path / "edgebox.toml"
    path.write_text(after)
    assert load(path).bond.key_exchange == "[2001:db8::1]:4443"


def test_an_empty_file_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "edgebox.toml"
    path.write_text(with_identity("", box="b-1", vehicle="V", hub="h.example"))
    config = load(path)
    assert (config.box.id, config.bond.hub) == ("b-1", "h.example:4500")


@pytest.mark.parametrize(
    "text", ["[box", '[box]\nid = """box\n"""\n', "box = {id = 'x', vehicle = 'y'}"]
)
def test_what_cannot_be_edited_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"edgebox\.toml"):
        with_identity(text, box="b", vehicle="v", hub="h.example")
