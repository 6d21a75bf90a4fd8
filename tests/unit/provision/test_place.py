import ssl
from pathlib import Path

from cryptography import x509

from edgebox.identity.certificate import make_authority, pem
from edgebox.identity.request import key_pem, spki
from edgebox.provision.place import Place, read_key
from edgebox.provision.reset import reset


def test_the_key_outlives_a_loss_of_power_before_the_answer(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = place.pending_key()
    assert spki(Place(tmp_path).pending_key().public_key()) == spki(first.public_key())
    assert place.next_key.stat().st_mode & 0o777 == 0o600
    assert not place.is_provisioned
    place.next_key.write_bytes(b"half a file")
    assert spki(place.pending_key().public_key()) != spki(first.public_key())


def test_identity_is_one_file_with_both(tmp_path: Path) -> None:
    place = Place(tmp_path)
    key = place.pending_key()
    authority = make_authority(key, "Fleet", 1_800_000_000.0)
    place.put_identity(pem(authority.certificate))
    assert x509.load_pem_x509_certificate(place.identity.read_bytes()) == authority.certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(place.identity, place.identity)
    found = read_key(place.identity)
    assert found is not None
    assert key_pem(found) == key_pem(key)
    assert place.identity.stat().st_mode & 0o777 == 0o600
    assert place.is_provisioned
    assert not place.next_key.exists()


def test_reset_takes_identity_and_state_and_leaves_the_wiring(tmp_path: Path) -> None:
    place, state = Place(tmp_path / "etc"), tmp_path / "state"
    place.pending_key()
    place.put_identity("certificate\n")
    place.authority.write_text("ca")
    place.config.write_text("[bond]\n")
    (state / "vitals").mkdir(parents=True)
    (state / "vitals/store.db").write_text("values")
    (state / "link").symlink_to(tmp_path)
    removed = reset(place, state)
    assert removed[0] == place.identity
    assert list(state.iterdir()) == []
    assert [path.name for path in place.credentials.iterdir()] == []
    assert place.config.exists()
    assert reset(place, state) == []
