"""The configuration file: its documentation, and what is said of a wrong one."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from edgebox.config import Config, load, parse_address, read_secret, resolve_file
from edgebox.config.media import SOURCE_OF, Camera
from edgebox.errors import ConfigError

DOCUMENTED = Path(__file__).parents[2] / "config" / "edgebox.toml"


def with_examples() -> str:
    """The documented file with its examples taken into use: `#` without a space after it."""
    return re.sub(r"^#(?=[\[a-z])", "", DOCUMENTED.read_text("utf-8"), flags=re.MULTILINE)


# The documented file


def test_every_documented_key_stands_at_its_default() -> None:
    loaded = load(DOCUMENTED)
    assert loaded == msgspec.structs.replace(Config(), directory=str(DOCUMENTED.parent))


def test_every_key_is_documented() -> None:
    assert sorted(documented_keys(tomllib.loads(with_examples()))) == sorted(keys(Config))


def test_defaults_are_in_use_and_entries_are_examples() -> None:
    """Everything is live, except arrays of tables."""
    live = set(documented_keys(tomllib.loads(DOCUMENTED.read_text("utf-8"))))
    entries = ("bond.link", "bond.forward", "media.camera", "vitals.monitor")
    assert set(keys(Config)) - live == {key for key in keys(Config) if key.startswith(entries)}


def test_examples_load(tmp_path: Path) -> None:
    file = tmp_path / "edgebox.toml"
    file.write_text(with_examples(), "utf-8")
    loaded = load(file)
    assert [link.name for link in loaded.bond.link] == ["lte-1", "sat"]
    assert [forward.name for forward in loaded.bond.forward] == ["turn", "conduit"]
    assert [camera.id for camera in loaded.media.camera] == ["patient", "outside"]


def test_every_key_has_a_comment_above_its_group() -> None:
    """No group of keys stands without a word on what it is."""
    for block in DOCUMENTED.read_text("utf-8").split("\n\n"):
        if re.search(r"^#?[a-z_]+ = ", block, re.MULTILINE):
            first = block.splitlines()[0]
            assert first.startswith(("# ", "#[[")), block


def keys(kind: type, prefix: str = "") -> Iterator[str]:
    """Every key there is, dotted."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        name = f"{prefix}{field.encode_name}"
        item = field.type.item_type if isinstance(field.type, inspect.VarTupleType) else field.type
        if isinstance(item, inspect.UnionType):  # a table that may be left out
            item = next(one for one in item.types if not isinstance(one, inspect.NoneType))
        if isinstance(item, inspect.StructType):
            yield from keys(item.cls, f"{name}.")
        else:
            yield name


def documented_keys(data: dict[str, Any], prefix: str = "") -> set[str]:
    """Every key the file shows, dotted."""
    found = set()
    for key, value in data.items():
        tables = value if isinstance(value, list) else [value]
        for table in tables:
            if isinstance(table, dict):
                found |= documented_keys(table, f"{prefix}{key}.")
            else:
                found.add(f"{prefix}{key}")
    return found


# What is said of a wrong one

LINK = "[[bond.link]]\nname = 'a'\nsource = '127.0.0.1'\n"
CAMERA = "[[media.camera]]\nid = 'a'\nname = 'A'\nkind = 'pattern'\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("typo = 1", ":1: typo: unknown key; allowed here: authority, bond"),
        (
            "[media]\n\nprevew_listen = 'x'",
            ":3: media.prevew_listen: unknown key; did you mean 'pre",
        ),
        (
            "[box]\nid = 'B b'",
            ":2: box.id: 'B b' is not allowed; it takes 1 to 32 lower-case letters",
        ),
        ("[box]\nid = 'a\\n'", r"'a\\n' is not allowed"),
        ("[sms]\n\nby = 'gateway'", ":3: sms.by: 'gateway' needs gateway_url"),
        (
            "[sms]\ngateway_url = 'http://sms.example.org/'",
            ":2: sms.gateway_url: 'http://sms.example.org/' is not allowed; it takes https://",
        ),
        ("[sms]\ntext = 'no link'", ":2: sms.text: 'no link' is not allowed; it takes a text with"),
        ("[modems]\nbus = 'session'", ":2: modems.bus: 'session' is not allowed; it takes \"sys"),
        ("[gpsd]\naddress = 'localhost:0'", ":2: gpsd.address: 'localhost:0' is not allowed; its"),
        ('[box]\nid = "a\\n"', "is not allowed"),
        ("[box]\nid = true", ":2: box.id: true is not allowed; it takes 1 to 32 lower-case"),
        ("box = 1", ":1: box: 1 is not allowed; it takes a table with the keys id, vehicle"),
        ("[box]\nvehicle = ''", "it takes text of 1 to 40 characters in quotes"),
        ("[bus]\naddress = ''", "it takes text in quotes, not empty"),
        ("[bond]\nrole = 'x'", ":2: bond.role: 'x' is not allowed; it takes one of 'box', 'hub'"),
        ("[bond]\nrole = 1", ":2: bond.role: 1 is not allowed; it takes one of 'box', 'hub'"),
        ("[bond]\nhub = 'h'", ":2: bond.hub: 'h' is not allowed; it takes host:port"),
        (
            "[bond]\nhub = 'h:70000'",
            ":2: bond.hub: 'h:70000' is not allowed; its port must be 1 to",
        ),
        ("[bond]\nallow = [\n'h:1',\n'h:0']", ":4: bond.allow[1]: 'h:0' is not allowed; its port"),
        (
            "[bond]\nallow = [\n'h:1',\n'h']",
            ":4: bond.allow[1]: 'h' is not allowed; it takes host:",
        ),
        ("[bond]\nallow = 'h:1'", "it takes a list in brackets, each item host:port"),
        (
            "[bond]\nlink = 5",
            "it takes tables in double brackets, each with name, interface, source",
        ),
        (
            "[hub]\ninvite_ttl_s = 5",
            ":2: hub.invite_ttl_s: 5 is not allowed; it takes a whole number",
        ),
        ("[hub]\ninvite_ttl_s = 5", "from 60 to 86_400"),
        ("[hub]\ninvite_ttl_s = 90.5", "90.5 is not allowed; it takes a whole number"),
        ("[hub]\npublic_url = 'https://h/x'", "it takes https://host or http://host, with a port"),
        (
            "[hub]\nturn_urls = ['turn:h:1', 'stun:h']",
            ":2: hub.turn_urls[1]: 'stun:h' is not allowed",
        ),
        (LINK + LINK, ":5: bond.link[1].name: 'a' stands twice; it must be unique"),
        (
            "[[bond.link]]\nname = 'a'",
            ":1: bond.link[0]: link 'a' takes either interface or source",
        ),
        (
            LINK + "interface = 'eth0'",
            ":1: bond.link[0]: link 'a' takes either interface or source",
        ),
        (LINK + "remote = 'x'", ":4: bond.link[0].remote: 'x' is not allowed; it takes host:port"),
        (LINK + "remote = 'x:0'", ":4: bond.link[0].remote: 'x:0' is not allowed; its port must"),
        (LINK + "priority = 0", ":4: bond.link[0].priority: 0 is not allowed; it takes a whole"),
        (LINK + "month_starts_on = 29", "it takes a whole number from 1 to 28"),
        (LINK + "monthly_cap_mb = -1", ":4: bond.link[0].monthly_cap_mb: -1 is not allowed"),
        ("[bond]\nmetrics_listen = '9105'", ":2: bond.metrics_listen: '9105' is not allowed"),
        ("[bond]\nmetrics_listen = 'h:0'", ":2: bond.metrics_listen: 'h:0' is not allowed; its"),
        ("[[bond.link]]\nname = 'a'\nsource = 'x'", ":3: bond.link[0].source: 'x' is not allowed"),
        ("[[bond.link]]\nname='a'\ninterface='a b'", ":3: bond.link[0].interface: 'a b' is not"),
        (CAMERA + CAMERA.replace("'A'", "''"), ":7: media.camera[1].name: '' is not allowed"),
        (CAMERA + "width = 161", "a whole number divisible by 2 from 160 to 3_840"),
        (
            CAMERA + "zoom = 2",
            ":5: media.camera[0].zoom: unknown key; allowed here: fps, height, id",
        ),
        (
            CAMERA.replace("kind = 'pattern'", ""),
            ":1: media.camera[0]: the key 'kind' is missing; it",
        ),
        (
            CAMERA.replace("pattern", "rtsp"),
            ":1: media.camera[0]: kind 'rtsp' needs a source: an add",
        ),
        ("media = {camera = [\n{id = 'a', name = 'A'}]}", ":2: media.camera[0]: the key 'kind' is"),
        ("x =", ":1: not valid TOML: Invalid value, at its end"),
        ("\n\n[box\nid = 1", ":3: not valid TOML: Expected ']'"),
        ("[box]\nid = 'a'\nid = 'b'", ":3: not valid TOML: Cannot overwrite a value"),
        ("x = " + "1" * 5000, "a number has too many digits"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("[box]\nvehicle = '" + "x" * 500 + "'", "xxx... is not allowed"),
    ],
)
def test_wrong_file_is_refused_with_place_and_what_is_allowed(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "box.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load(file)
    message = str(refusal.value)
    assert message.startswith(str(file))
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe[\x00b\x00", ":1: not UTF-8 text"),
        (b"# all right\n[box]\nvehicle = 'Kj\xf8ret\xf8y'", ":3: not UTF-8 text"),
        (b"\x7fELF\x02\x01\x01\0\0", "not valid TOML"),
        (b"\0" * 100, "not valid TOML"),
    ],
)
def test_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "box.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        load(file)


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_byte_order_mark_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_bytes(b"\xef\xbb\xbf[box]\nid = 'a'")
    assert load(file).box.id == "a"


VALUES: st.SearchStrategy[str] = st.recursive(
    st.one_of(
        st.integers().map(str),
        st.floats().map(lambda value: repr(value)),
        st.sampled_from(["true", "1979-05-27 07:32:00", "'''x'''", '"""\n"x"\n"""', '"\\u00e5"']),
        st.text("ab'c:1.\\", max_size=8).map(lambda text: f"'{text.replace(chr(39), '')}'"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[ {', '.join(items)} ]"),
        inner.map(lambda item: f"{{ name = {item}, id = {item} }}"),
    ),
    max_leaves=4,
)
NAMES = sorted({name for key in keys(Config) for name in key.split(".")} | {"x", '"a.b"'})
LINES = st.one_of(
    st.sampled_from(["[box]", "[bond]", "[media]", "[[bond.link]]", "[[media.camera]]", "", "# x"]),
    st.tuples(st.sampled_from(NAMES), VALUES).map(" = ".join),
)


@given(st.lists(LINES, max_size=12).map("\n".join) | st.text(max_size=60))
def test_any_toml_gives_a_configuration_or_one_line_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, "utf-8", newline="")
    try:
        load(file)
    except ConfigError as error:
        refusal = str(error)
    else:
        return
    assert re.match(rf"{re.escape(str(file))}(:[0-9]+)?: .", refusal)
    assert "\n" not in refusal


# What hangs on it


def test_file_names_are_relative_to_the_file_or_its_directory_key(tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    file.write_text("")
    assert resolve_file(load(file), "x.pem") == tmp_path / "x.pem"
    assert resolve_file(load(file), "/abs/x.pem") == Path("/abs/x.pem")
    file.write_text("directory = 'keys'")
    assert resolve_file(load(file), "x.pem") == tmp_path / "keys" / "x.pem"


def test_credentials_come_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="no CREDENTIALS_DIRECTORY here; give a file name"):
        resolve_file(Config(), "credential:x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "x").write_bytes(b"secret\n")
    assert read_secret(Config(), "credential:x") == b"secret"
    with pytest.raises(ConfigError, match=r"y: secret cannot be read: No such file"):
        read_secret(Config(), "credential:y")


def test_addresses_are_split() -> None:
    assert parse_address("hub.example.org:4500") == ("hub.example.org", 4500)
    assert parse_address("[2001:db8::1]:4500") == ("2001:db8::1", 4500)


def test_every_kind_of_camera_that_needs_a_source_says_which() -> None:
    kinds = {"pattern", "picamera", *SOURCE_OF}
    field = next(f for f in msgspec.structs.fields(Camera) if f.name == "kind")
    assert kinds == set(field.type.__args__) - {"headset"}
