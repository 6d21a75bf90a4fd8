"""The ambulance edge box: cameras, patient data and bonded links in one daemon set."""

from pathlib import Path


def _version() -> str:
    """Written into the wheel when it is built (image-build/wheel.py); a checkout has none."""
    try:
        return Path(__file__).with_name("build.txt").read_text(encoding="ascii").strip()
    except OSError:
        return "0.1.0"


__version__ = _version()
