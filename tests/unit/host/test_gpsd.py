"""gpsd's reports, whole, in pieces, and broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.host.gpsd import LINE_MAX, Fix, GpsdProtocol, position

GREETING = (
    b'{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}\r\n'
    b'{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/ttyUSB1","flags":1}]}\r\n'
    b'{"class":"WATCH","enable":true,"json":true,"nmea":false,"raw":0,"scaled":false}\r\n'
)
TPV = (
    b'{"class":"TPV","device":"/dev/ttyUSB1","mode":3,"time":"2026-03-01T12:00:05.000Z",'
    b'"ept":0.005,"lat":60.390234,"lon":5.327891,"altHAE":61.0,"epx":3.1,"epy":4.2,"epv":9.1,'
    b'"eph":5.4,"track":183.4,"speed":16.2,"climb":0.0}\r\n'
)
AT_UTC = 1_772_366_405.0
FIX = Fix(
    at_utc=AT_UTC,
    latitude_deg=60.390234,
    longitude_deg=5.327891,
    error_m=5.4,
    speed_mps=16.2,
    track_deg=183.4,
)


def test_report_is_a_fix_and_the_rest_is_passed_over() -> None:
    assert GpsdProtocol().receive_data(GREETING + TPV) == [FIX]


@given(st.lists(st.integers(1, 80), max_size=20))
def test_pieces_are_put_together(sizes: list[int]) -> None:
    protocol, data, found = GpsdProtocol(), GREETING + TPV + TPV, []
    for size in sizes:
        found += protocol.receive_data(data[:size])
        data = data[size:]
    assert found + protocol.receive_data(data) == [FIX, FIX]


def test_without_a_fix_there_are_no_values() -> None:
    lost = b'{"class":"TPV","mode":1,"time":"2026-03-01T12:00:06.000Z","lat":60.1,"lon":5.1}\n'
    assert GpsdProtocol().receive_data(lost) == [Fix(at_utc=AT_UTC + 1)]
    assert GpsdProtocol().receive_data(b'{"class":"TPV","mode":0}\n') == [Fix(at_utc=None)]
    nowhere = b'{"class":"TPV","mode":3,"lat":60.1,"lon":5.1}\n'
    assert GpsdProtocol().receive_data(nowhere) == [Fix(at_utc=None)], "of when?"


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\n",
        b"[1,2]\n",
        b'{"class":"TPV","mode":"3"}\n',
        b'{"class":"TPV","mode":3,"lat":91.0,"lon":0}\n',
        b'{"class":"TPV","mode":3,"time":"yesterday"}\n',
        b'{"class":"TPV","mode":3,"time":"2026-03-01T12:00:06"}\n',
        b'{"class":"TPV","lat":nan}\n',
        b"[" * 5000 + b"\n",
        b"x" * (LINE_MAX + 1),
    ],
)
def test_broken_report_is_refused_and_the_next_is_taken(line: bytes) -> None:
    protocol = GpsdProtocol()
    with pytest.raises(RemoteProtocolError):
        protocol.receive_data(line)
    assert protocol.receive_data(TPV) == [FIX]


@given(st.lists(st.binary(max_size=60) | st.sampled_from([TPV, b"\n", b'{"class":"TPV"'])))
def test_any_bytes_give_fixes_or_are_refused(pieces: list[bytes]) -> None:
    protocol = GpsdProtocol()
    for piece in pieces:
        try:
            assert all(isinstance(fix, Fix) for fix in protocol.receive_data(piece))
        except RemoteProtocolError:
            continue


def test_position_tells_the_fix_from_its_arrival() -> None:
    here = position(FIX, AT_UTC + 0.3)
    assert (here.at_utc, here.received_utc, here.error_m) == (AT_UTC, AT_UTC + 0.3, 5.4)
    assert position(Fix(at_utc=None), 5.0).at_utc == 5.0
