"""Fixtures of the pairing tests."""

from pathlib import Path

import pytest

from tests.unit.pairing.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Two vehicles and no device."""
    return Fleet(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """One for all examples of a property."""
    return Fleet(tmp_path_factory.mktemp("fleet"))
