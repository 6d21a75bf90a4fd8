"""The table of rules that `make test-rules` removes stands on the code as it is."""

from pathlib import Path

import pytest

from tests.mutation.run import ROOT, Part, removed, table


@pytest.mark.parametrize("part", table(), ids=lambda part: part.file)
def test_each_rule_stands_once_and_has_tests(part: Part) -> None:
    text = (ROOT / part.file).read_text()
    for rule in part.rule:
        assert removed(rule, text) != text
    assert all(Path(ROOT / name).exists() for name in part.tests)
