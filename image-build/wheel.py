"""Writes the version of the checkout into the wheel, as edgebox/build.txt. A hook of hatchling's.

The wheel is the same byte for byte whenever the same commit is built: hatchling sorts its files and
takes its times from SOURCE_DATE_EPOCH (reproducible-builds.org), which `make wheel` sets.
"""

import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Found by its name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version`: `editable` for a checkout that is worked in, whose version changes."""
        if version == "editable":
            return
        program = Path(self.root) / "image-build/version.sh"
        done = subprocess.run([program], check=True, capture_output=True, text=True)
        made = Path(mkdtemp(prefix="edgebox-wheel-")) / "build.txt"
        made.write_text(done.stdout)
        made.chmod(0o644)
        build_data["force_include"][str(made)] = "edgebox/build.txt"
        self._made = made

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The file has done its work."""
        if version != "editable":
            self._made.unlink()
            self._made.parent.rmdir()
