"""ONVIF answers: any bytes are an answer or a RemoteProtocolError."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.media import onvif
from edgebox.media.onvif import Account

PARSERS: list[Callable[[bytes], object]] = [
    onvif.parse_time,
    onvif.parse_services,
    onvif.parse_profile,
    onvif.check_done,
]
NOW = datetime(2026, 11, 23, 14, 5, 9, 120_000, tzinfo=UTC)


def answer(body: str) -> bytes:
    return f'<e:Envelope xmlns:e="{onvif.SOAP}"><e:Body>{body}</e:Body></e:Envelope>'.encode()


def test_the_digest_is_that_of_the_specification() -> None:
    # ONVIF Application Programmer's Guide 1.0, 6.1.1.3
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    found = onvif.digest(nonce, "2010-09-16T07:50:45Z", "userpassword")
    assert found == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_names_and_passwords_with_markup_stay_text() -> None:
    text = onvif.envelope(onvif.stop('<"&'), Account("<&>", "<secret>"), b"\0" * 16, NOW)
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    texts = [one.text for one in root.iter()]
    assert "<&>" in texts
    assert '<"&' in texts
    assert "2026-11-23T14:05:09.120Z" in texts
    assert b"secret" not in text


def test_speeds_are_written_in_full() -> None:
    text = onvif.continuous_move("p", -1.0, 0.25, 1e-9)
    assert 'x="-1.000" y="0.250"' in text
    assert 'x="0.000"' in text


TIME = (
    "<r><UTCDateTime><Time><Hour>23</Hour><Minute>59</Minute><Second>60</Second></Time>"
    "<Date><Year>2024</Year><Month>2</Month><Day>29</Day></Date></UTCDateTime></r>"
)


def test_answers_are_understood() -> None:
    assert onvif.parse_time(answer(TIME)) == datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    services = (
        "<a><Media><XAddr>http://c/m</XAddr></Media><PTZ><XAddr> http://c/p</XAddr></PTZ></a>"
    )
    found = onvif.parse_services(answer(services))
    assert (found.media, found.ptz) == ("http://c/m", "http://c/p")
    profiles = '<Profiles token="a"/><Profiles token="b"><PTZConfiguration/></Profiles>'
    assert onvif.parse_profile(answer(profiles)) == "b"


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (onvif.parse_time, TIME.replace("29", "30")),
        (onvif.parse_time, TIME.replace("23", "-1")),
        (onvif.parse_services, "<a><Media><XAddr>http://c/m</XAddr></Media></a>"),
        (onvif.parse_services, "<a><Media><XAddr>file:///etc/passwd</XAddr></Media></a>"),
        (onvif.parse_profile, '<Profiles token="a"/>'),
        (onvif.check_done, f'<f:Fault xmlns:f="{onvif.SOAP}">ter:NotAuthorized</f:Fault>'),
    ],
)
def test_what_is_of_no_use_says_so(parse: Callable[[bytes], object], body: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(answer(body))


def test_no_document_type_and_no_entities() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "xx">]>' + answer("<a>&x;</a>")
    with pytest.raises(RemoteProtocolError, match="document type"):
        onvif.check_done(bomb)
    with pytest.raises(RemoteProtocolError):
        onvif.check_done(b" " * (onvif.SIZE_MAX + 1))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_document_type_does_not_hide_in_another_encoding(encoding: str) -> None:
    text = (
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "2026">]>'
        f'<s:Envelope xmlns:s="{onvif.SOAP}"><s:Body>&x;</s:Body></s:Envelope>'
    )
    with pytest.raises(RemoteProtocolError):
        onvif.check_done(text.encode(encoding))


words = st.sampled_from(
    ["<", ">", "/", "Envelope", "Body", "Profiles", "XAddr", "Year", "9999999", onvif.SOAP, '"',
     "xmlns=", "&#0;", "<![CDATA[", "<!--", "\0", "æ"]
)  # fmt: skip


@given(
    st.one_of(st.binary(max_size=300), st.lists(words).map(lambda parts: " ".join(parts).encode()))
)
def test_any_bytes_are_an_answer_or_an_error(data: bytes) -> None:
    for parse in PARSERS:
        for whole in (data, answer(data.decode("utf-8", "replace"))):
            try:
                parse(whole)
            except RemoteProtocolError:
                continue
