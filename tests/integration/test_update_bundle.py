"""What the real RAUC makes of bundles: ours, somebody else's, damaged ones; what is published."""

import hashlib
from pathlib import Path

import pytest

from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.errors import ConfigError
from edgebox.hub import update_files
from edgebox.messages.update import Release
from edgebox.update import bundle
from tests.integration.update_rig import COMPATIBLE, Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def release_of(path: Path, version: str) -> Release:
    return Release(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        version=version,
        size_bytes=path.stat().st_size,
        url="https://hub.example.org/update/x",
    )


async def verdict(bench: Bench, path: Path, offered: str) -> str:
    """The hub offers it under this version and tells the hash of what it sends."""
    release = release_of(path, offered)
    return await bundle.check(bench.real, path, release, running="1.0.0", compatible=COMPATIBLE)


async def test_ours_is_taken_and_others_are_not(bench: Bench) -> None:
    good = bench.bundle("1.1.0")
    assert await verdict(bench, good, "1.1.0") == ""
    assert await verdict(bench, bench.bundle("1.1.0", signer="other"), "1.1.0") == "signature"
    assert await verdict(bench, bench.bundle("1.1.0", compatible="pump-9"), "1.1.0") == "compatible"


async def test_versions_only_go_up_whatever_the_hub_says(bench: Bench) -> None:
    old = bench.bundle("0.9.0")
    assert await verdict(bench, old, "1.1.0") == "version"
    assert await verdict(bench, old, "0.9.0") == "version"
    same = bench.bundle("1.0.0")
    assert await verdict(bench, same, "1.0.0") == "version"


async def test_a_damaged_bundle_is_refused(bench: Bench) -> None:
    good = bench.bundle("1.1.0")
    whole, release = good.read_bytes(), release_of(good, "1.1.0")
    for place in (0, 1000, len(whole) // 2, len(whole) - 1000, len(whole) - 1):
        damaged = bench.directory / "damaged.raucb"
        data = bytearray(whole)
        data[place] ^= 0xFF
        damaged.write_bytes(data)
        found = await bundle.check(
            bench.real, damaged, release, running="1.0.0", compatible=COMPATIBLE
        )
        assert found == "content", place


async def test_what_the_signature_covers_cannot_be_changed_by_a_hub_that_lies(
    bench: Bench,
) -> None:
    """The manifest and the root of the hash tree lie at the end; the blocks themselves are checked
    by dm-verity while they are installed (tests/boot/test_update_image.py)."""
    whole = bench.bundle("1.1.0").read_bytes()
    swapped = whole.replace(b"version=1.1.0", b"version=1.9.0")
    assert swapped != whole
    for data in (swapped, whole[:-1], whole[: len(whole) // 2], b"", b"\0" * 4096, b"rauc" * 999):
        path = bench.directory / "changed.raucb"
        path.write_bytes(data)
        found = await bundle.check(
            bench.real,
            path,
            Release(
                sha256=hashlib.sha256(data).hexdigest(),
                version="1.9.0",
                size_bytes=max(1, len(data)),
                url="https://hub.example.org/update/x",
            ),
            running="1.0.0",
            compatible=COMPATIBLE,
        )
        assert found == "signature"


async def test_only_what_is_signed_is_published_and_once(bench: Bench, tmp_path: Path) -> None:
    hub = Hub(update_directory="updates", update_keyring=str(bench.keyring))
    config = Config(hub=hub, directory=str(tmp_path))
    made = await update_files.publish(config, bench.bundle("1.1.0"))
    directory = update_files.directory_of(config)
    assert update_files.listed(directory) == [made]
    with pytest.raises(ConfigError, match="published already"):
        await update_files.publish(config, bench.bundle("1.1.0"))
    with pytest.raises(ConfigError, match="not signed"):
        await update_files.publish(config, bench.bundle("1.2.0", signer="other"))
    with pytest.raises(ConfigError, match="no version"):
        await update_files.publish(config, bench.bundle("nightly"))
    newer = await update_files.publish(config, bench.bundle("1.10.0"))
    assert update_files.listed(directory) == [newer, made]
    # What is damaged, or is not finished, is not there.
    (directory / f"{'0' * 64}.json").write_bytes(b'{"sha256":')
    note = directory / f"{made.sha256}.json"
    (directory / f"{'1' * 64}.json").write_bytes(note.read_bytes())
    update_files.bundle_path(directory, newer.sha256).unlink()
    assert update_files.listed(directory) == [made]
    assert update_files.remove(config, "1.1.0") == [made]
    with pytest.raises(ConfigError):
        update_files.remove(config, "1.1.0")
    without = Config(hub=Hub(update_keyring="gone.pem"), directory=str(tmp_path))
    with pytest.raises(ConfigError, match="who may sign"):
        await update_files.publish(without, bench.bundle("1.1.0"))
