"""One message in the form of several providers."""

import json
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from edgebox.config.vehicle import Sms
from edgebox.host.sms_gateway import write_post

URL = "https://sms.example.no/send"
TEXT = 'Bli med på video: "https://hub/j/x?a=1&b={phone}"'


def gateway(**change: str) -> Sms:
    return Sms(by="gateway", gateway_url=URL, **change)  # type: ignore[arg-type]  # of strings


def test_json_with_a_bearer_token() -> None:
    post = write_post(gateway(), "s3cret", "+4791234567", TEXT)
    assert post.headers == {"Content-Type": "application/json", "Authorization": "Bearer s3cret"}
    assert json.loads(post.body) == {"to": "+4791234567", "from": "Ambulanse", "text": TEXT}


def test_number_without_plus_as_a_json_number() -> None:
    body = '{"sender": "AMK", "message": "{text}", "recipients": [{"msisdn": {digits}}]}'
    post = write_post(gateway(gateway_body=body), "s", "+4791234567", TEXT)
    assert json.loads(post.body)["recipients"] == [{"msisdn": 4791234567}]


def test_form_with_the_secret_in_the_body() -> None:
    sms = gateway(
        gateway_type="form",
        gateway_authorization="",
        gateway_body="user=trust&passwd={secret}&to={digits}&msg={text}",
    )
    post = write_post(sms, "p&w=d", "+4791234567", TEXT)
    assert post.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qs(post.body.decode()) == {
        "user": ["trust"],
        "passwd": ["p&w=d"],
        "to": ["4791234567"],
        "msg": [TEXT],
    }


@given(st.text(max_size=50), st.text(max_size=20))
def test_no_text_breaks_out_of_its_place(text: str, secret: str) -> None:
    body = '{"to": "{phone}", "secret": "{secret}", "text": "{text}"}'
    post = write_post(gateway(gateway_body=body), secret, "+47", text)
    assert json.loads(post.body) == {"to": "+47", "secret": secret, "text": text}
    form = gateway(gateway_type="form", gateway_body="a={secret}&b={text}")
    fields = parse_qs(write_post(form, "x", "+47", text or "-").body.decode())
    assert fields == {"a": ["x"], "b": [text or "-"]}
