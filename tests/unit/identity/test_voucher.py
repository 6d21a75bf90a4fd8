import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.identity import voucher as vouchers


def test_text_and_back() -> None:
    drawn = vouchers.draw("https://hub.example.org", "ambulance-7")
    assert vouchers.parse(f"  {drawn.text()}\n") == drawn
    assert drawn.text().startswith("https://hub.example.org/enrol#ambulance-7.")
    assert vouchers.draw("https://hub.example.org", "ambulance-7").secret != drawn.secret


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://hub.example.org/enrol#ambulance-7",
        "http://hub.example.org/enrol#ambulance-7.mzxw6ytboi4tqmjsgaztcmzvge",
        "https://hub.example.org/enrol#Ambulance.mzxw6ytboi4tqmjsgaztcmzvge",
        "https://hub.example.org/enrol#ambulance-7.mzxw6ytboi4tqmjsgaztcmzvg0",
        "https://hub.example.org/x/enrol#a.mzxw6ytboi4tqmjsgaztcmzvge",
        "https://hub.example.org/enrol#ambulance-7.mzxw6ytboi4tqmjsgaztcmzvge" + " " * 400,
    ],
)
def test_what_is_no_voucher(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        vouchers.parse(text)
    assert "mzxw6ytboi4" not in str(caught.value)


@given(st.text())
def test_any_text(text: str) -> None:
    try:
        vouchers.parse(text)
    except RemoteProtocolError:
        return
    raise AssertionError("no random text is a voucher")


def test_proof_binds_each_part_and_its_borders() -> None:
    secret = b"s" * 16
    proof = vouchers.prove(secret, "enrol", "box", "request")
    assert vouchers.is_proved(proof, secret, "enrol", "box", "request")
    for parts in (("enrolled", "box", "request"), ("enrol", "boxr", "equest"), ("enrol", "box")):
        assert not vouchers.is_proved(proof, secret, *parts)
    assert not vouchers.is_proved(proof, b"t" * 16, "enrol", "box", "request")
