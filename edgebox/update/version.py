"""Versions: which runs here, and which of two is the newer.

The form is `git describe`'s: 1.4.0, or 1.4.0-12-gabcdef0 for the twelfth commit after it. An image
says its own in os-release(5): IMAGE_VERSION, and in IMAGE_ID which machines it fits.
"""

import platform
import re

import edgebox
from edgebox.errors import RemoteProtocolError
from edgebox.messages.update import VERSION_PATTERN

Key = tuple[int, int, int, int]
_FORM = re.compile(VERSION_PATTERN, re.ASCII)


def key(version: str) -> Key:
    """Sorts as the versions do; two builds of the same commit are equal. RemoteProtocolError."""
    if not _FORM.match(version):
        raise RemoteProtocolError(f"no version: {version[:80]!r}")
    release, _, after = version.partition("-")
    major, minor, patch = (int(part) for part in release.split("."))
    return major, minor, patch, int(after.partition("-")[0] or 0)


def is_newer(version: str, than: str) -> bool:
    """Whether `version` may replace `than`. Raises RemoteProtocolError for what is no version."""
    return key(version) > key(than)


def running() -> tuple[str, str]:
    """Version of the running image and which machines it fits; without an image, the program's
    version and nothing."""
    try:
        said = platform.freedesktop_os_release()
    except OSError:
        return edgebox.__version__, ""
    version, compatible = said.get("IMAGE_VERSION", ""), said.get("IMAGE_ID", "")
    if not compatible or not _FORM.match(version):
        return edgebox.__version__, ""
    return version, compatible[:64]
