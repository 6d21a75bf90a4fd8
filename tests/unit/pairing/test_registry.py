"""The fleet's list: who may write it, and that it never goes back."""

import zlib

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.host.daemons import PAYLOAD_MAX
from edgebox.messages.pairing import SignedRegistry
from edgebox.pairing import keys, registry
from edgebox.pairing.registry import Device, Registry, Shelf, Vehicle
from tests.unit.pairing.fleet import Fleet


def sealed(fleet: Fleet, payload: bytes) -> SignedRegistry:
    """Any bytes, signed by who may."""
    certificate, key = fleet.signer
    signature = keys.sign(key, keys.transcript(registry.CONTEXT, payload))
    return SignedRegistry(
        version=1,
        payload=keys.encode(payload),
        signature=keys.encode(signature),
        certificate=keys.encode(certificate.public_bytes(Encoding.DER)),
    )


def test_versions_never_go_back(fleet: Fleet) -> None:
    shelf = Shelf(fleet.authority)
    first, second = fleet.registry(), fleet.registry()
    assert shelf.offer(second).result == "new"
    assert shelf.offer(first).result == "older"
    assert shelf.offer(second).result == "same"
    assert shelf.registry is not None
    assert shelf.registry.version == 2


def test_nor_do_times_of_issue(fleet: Fleet) -> None:
    """A signer's key that was valid once cannot be used to write into the past."""
    shelf = Shelf(fleet.authority)
    shelf.offer(fleet.registry())
    assert shelf.offer(fleet.registry(ago_s=3600.0)).result == "older"


def test_another_list_of_the_same_version_is_not_taken(fleet: Fleet) -> None:
    shelf = Shelf(fleet.authority)
    shelf.offer(fleet.registry())
    fleet.version = 0
    fleet.device()
    assert shelf.offer(fleet.registry()).result == "older"


def test_a_box_cannot_write_it(fleet: Fleet) -> None:
    signed = fleet.registry()
    box = fleet.identity("box-1")
    payload = keys.decode(signed.payload)
    forged = msgspec.structs.replace(
        signed,
        signature=keys.encode(keys.sign(box.key, keys.transcript(registry.CONTEXT, payload))),
        certificate=keys.encode(box.certificate),
    )
    assert Shelf(fleet.authority).offer(forged).result == "bad"


def test_another_fleet_cannot_write_it(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Fleet(tmp_path_factory.mktemp("other"))
    assert Shelf(fleet.authority).offer(other.registry()).result == "bad"


@pytest.mark.parametrize("field", ["payload", "signature", "certificate"])
def test_a_changed_character(fleet: Fleet, field: str) -> None:
    signed = fleet.registry()
    text = getattr(signed, field)
    changed = ("A" if text[20] != "A" else "B").join((text[:20], text[21:]))
    forged = msgspec.structs.replace(signed, **{field: changed})
    assert Shelf(fleet.authority).offer(forged).result == "bad"


def test_the_signer_s_certificate_was_not_valid_then(fleet: Fleet) -> None:
    fleet.utc += 400 * 86_400
    assert Shelf(fleet.authority).offer(fleet.registry()).text.startswith("certificate not valid")


def test_nothing_is_inflated_before_it_is_known_to_be_signed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = fleet.registry()
    inflated: list[object] = []
    monkeypatch.setattr(registry, "_parse", inflated.append)
    other = msgspec.structs.replace(signed, signature=keys.encode(bytes(keys.SIGNATURE_SIZE)))
    with pytest.raises(RemoteProtocolError, match="does not fit"):
        registry.unseal(other, fleet.authority)
    assert inflated == []


def test_it_inflates_to_so_much(fleet: Fleet) -> None:
    bomb = zlib.compress(b" " * 50_000_000, 9)
    with pytest.raises(RemoteProtocolError, match="too large"):
        registry.unseal(sealed(fleet, bomb), fleet.authority)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "pool", "box": "box-1"},
        {"mode": "assigned", "box": ""},
        {"key": b"\x02" + b"\xff" * 32},
        {"name": "x" * 41},
    ],
)
def test_entries_that_make_no_sense(fleet: Fleet, change: dict[str, object]) -> None:
    fleet.device()
    device = msgspec.to_builtins(next(iter(fleet.devices.values()))) | msgspec.to_builtins(change)
    made = {
        "version": 1,
        "issued_utc": fleet.utc,
        "expires_utc": fleet.utc + 1,
        "devices": [device],
    }
    with pytest.raises(RemoteProtocolError):
        registry.unseal(sealed(fleet, zlib.compress(msgspec.json.encode(made))), fleet.authority)


def test_a_device_stands_once(fleet: Fleet) -> None:
    fleet.device()
    one = next(iter(fleet.devices.values()))
    made = Registry(version=1, issued_utc=fleet.utc, expires_utc=fleet.utc + 1, devices=(one, one))
    certificate, key = fleet.signer
    signed = registry.seal(made, key, certificate.public_bytes(Encoding.DER))
    with pytest.raises(RemoteProtocolError, match="twice"):
        registry.unseal(signed, fleet.authority)


@given(data=st.binary(max_size=200))
def test_any_signed_bytes(data: bytes, shared: Fleet) -> None:
    for payload in (data, zlib.compress(data)):
        with pytest.raises(RemoteProtocolError):
            registry.unseal(sealed(shared, payload), shared.authority)


@given(text=st.text(max_size=50), certificate=st.binary(max_size=300))
def test_any_fields(text: str, certificate: bytes, shared: Fleet) -> None:
    signed = shared.registry()
    forged = msgspec.structs.replace(signed, certificate=keys.encode(certificate))
    with pytest.raises(RemoteProtocolError):
        registry.unseal(forged, shared.authority)
    with pytest.raises(RemoteProtocolError):
        registry.unseal(msgspec.structs.replace(signed, signature=text), shared.authority)


def test_a_fleet_of_a_thousand_vehicles_fits_a_broker(fleet: Fleet) -> None:
    """Names as long as allowed are rarer than these."""
    points = [keys.short_point(ec.derive_private_key(n + 1, ec.SECP256R1()).public_key())
              for n in range(1000)]  # fmt: skip
    made = Registry(
        version=1,
        issued_utc=fleet.utc,
        expires_utc=fleet.utc + 1,
        devices=tuple(
            Device(key=point, name=f"Headset {n}", owner="Oslo", mode="assigned",
                   box=f"ambulance-{n}", expires_utc=fleet.utc + n)
            for n, point in enumerate(points)
        ),
        vehicles=tuple(Vehicle(box=f"ambulance-{n}", name=f"Ambulanse {n}") for n in range(1000)),
    )  # fmt: skip
    certificate, key = fleet.signer
    signed = registry.seal(made, key, certificate.public_bytes(Encoding.DER))
    assert len(msgspec.json.encode(signed)) < PAYLOAD_MAX
