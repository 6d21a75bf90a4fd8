"""What leaves the box: nothing of what was planted, in no form, and still of some use."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.support.redact import LINE_MAX, Redactor
from tests.unit.support import planted


def redactor() -> Redactor:
    return Redactor([planted.KNOWN_SECRET], [planted.KNOWN_NAME])


@pytest.mark.parametrize("kind", planted.BY_KIND)
def test_each_kind_is_struck_in_every_form(kind: str) -> None:
    value = planted.BY_KIND[kind]
    for form in (value, *planted.encoded(value)):
        for frame in ("{}", "before {} after", "x={}", '"{}",', "({})", "a={};b=1", "/{}/"):
            left = redactor().text(frame.format(form))
            assert form.rstrip("=") not in left, left


@pytest.mark.parametrize("sentence", planted.SENTENCES)
def test_sentences_keep_nothing(sentence: str) -> None:
    assert planted.found_in(redactor().text(sentence)) == []


def test_all_of_it_at_once() -> None:
    assert planted.found_in(redactor().text(planted.text())) == []
    assert planted.found_in(redactor().log(planted.text())) == []


def test_logs_keep_nobodys_name() -> None:
    left = redactor().log(f"{planted.STRANGER} joined; {planted.STRANGER} left; Ola Dahl joined")
    assert left == "(name-1) joined; (name-1) left; (name-2) joined"


def test_addresses_are_the_same_everywhere() -> None:
    one = redactor()
    first = one.text("10.64.3.9 and 10.64.3.10, dc:a6:32:01:fe:9b")
    assert first == "(ip-1) and (ip-2), (mac-1)"
    assert one.text("from 10.64.3.10 by DC-A6-32-01-FE-9B") == "from (ip-2) by (mac-1)"


@pytest.mark.parametrize(
    "line",
    [
        "Nov 23 18:47:59 box edgebox-bond[123]: link lte-1 up, rtt 38 ms",
        "systemd-networkd-wait-online.service: Deactivated successfully.",
        "systemd[1]: Started Edge box, bond.",
        "usb 1-1.3: new high-speed USB device number 5 using xhci_hcd",
        "listening on 127.0.0.1:8080 and [::1]:53",
        "BasicConstraints: CA:TRUE",
        "kernel: mmc0: error -110 whilst initialising SD card",
    ],
)
def test_what_helps_stays(line: str) -> None:
    assert redactor().log(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "x" * 3_000_000,
        "a b " + "c" * 500_000,
        "aA1" * 400_000,
        "%41" * 300_000,
        "1:" * 300_000,
        "token" * 200_000,
        "Aa " * 200_000,
        '"' * 500_000,
        "-----BEGIN A-----" * 50_000,
        "\x00\x1b\xff" * 200_000,
    ],
    ids=lambda line: line[:6],
)
def test_endless_lines_cost_little(line: str) -> None:
    began_at = time.process_time()
    left = redactor().log(line)
    assert time.process_time() - began_at < 5
    assert len(left) < 3 * LINE_MAX


def test_a_secret_at_the_cut_is_left_out_whole() -> None:
    line = "word " * (LINE_MAX // 5 - 1) + "x " + planted.KNOWN_SECRET + " end"
    for shift in range(len(planted.KNOWN_SECRET) + 4):
        left = redactor().text(" " * shift + line)
        assert planted.KNOWN_SECRET[:6] not in left


@given(st.text())
def test_any_text_is_taken_and_stays_on_its_lines(text: str) -> None:
    left = redactor().log(text)
    assert left.count("\n") <= text.count("\n")
    assert redactor().log(left).count("\n") == left.count("\n")
