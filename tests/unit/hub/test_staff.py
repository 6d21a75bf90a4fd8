"""Who a certificate says somebody is. Its form: `ssl.SSLSocket.getpeercert`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.hub.staff import Person, person_of


def certificate(*subject: tuple[str, str]) -> dict[str, Any]:
    return {
        "subject": tuple((pair,) for pair in subject),
        "serialNumber": "00AB12",
        "notAfter": "Nov 24 00:00:00 2026 GMT",
    }


def test_name_role_serial_and_end() -> None:
    shown = certificate(("organizationalUnitName", "technician"), ("commonName", "Kari Nordmann"))
    assert person_of(shown) == Person("Kari Nordmann", "technician", "AB12", 1_795_478_400.0)


@pytest.mark.parametrize(
    "subject",
    [
        (("commonName", "box-1"),),
        (("organizationalUnitName", "technician"),),
        (("organizationalUnitName", "doctor"), ("commonName", "Kari")),
        (("organizationalUnitName", "fleet"), ("commonName", "Kari\x07")),
        (("organizationalUnitName", "fleet"), ("commonName", " Kari")),
        (("organizationalUnitName", "fleet"), ("commonName", "K" * 61)),
        (("organizationalUnitName", "fleet"), ("commonName", "a"), ("commonName", "b")),
        (
            ("organizationalUnitName", "fleet"),
            ("organizationalUnitName", "technician"),
            ("commonName", "Kari"),
        ),
        (),
    ],
)
def test_anybody_else_is_nobody(subject: tuple[tuple[str, str], ...]) -> None:
    assert person_of(certificate(*subject)) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["commonName", "organizationalUnitName", "countryName"]),
            st.text(max_size=5) | st.sampled_from(["fleet", "technician"]),
        )
    )
)
def test_whoever_gets_in_has_one_printable_name(subject: list[tuple[str, str]]) -> None:
    person = person_of(certificate(*subject))
    if person is not None:
        assert person.name.isprintable()
        assert [value for key, value in subject if key == "commonName"] == [person.name]
        assert ("organizationalUnitName", person.role) in subject
