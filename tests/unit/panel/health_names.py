"""Every name the self-test can ask the catalogues for: found in the source of its checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

from edgebox.messages.selftest import Grade
from edgebox.support import checks
from edgebox.support.checks import CHECKS

PLACE = Path(checks.__file__).parent
WAYS = {"fault", "attention", "say"}
"""How a judge says that something is wrong (edgebox.support.checks.verdict)."""
PARTS = {
    "_plug(camera.kind)": ("usb", "network", "headset", "inside"),
    "state": ("absent", "failed"),
    "device": ("microphone", "loudspeaker"),
}
"""What stands in codes that are put together."""


def codes() -> Iterator[str]:
    """`link.down`: each code a check can find, those apart that are no fault."""
    for check in CHECKS:
        tree = ast.parse((PLACE / f"{check.name.replace('-', '_')}.py").read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in WAYS:
                yield from (f"{check.name}.{code}" for code in _texts(node.args[0]))


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
        return
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                texts = [a + b for a in texts for b in PARTS[ast.unparse(part.value)]]
            else:
                assert isinstance(part, ast.Constant)
                texts = [text + str(part.value) for text in texts]
        yield from texts
        return
    assert isinstance(node, ast.Name)
    assert node.id == "step"  # modem.py: from its own table of steps
    tree = ast.parse((PLACE / "modem.py").read_text())
    for one in ast.walk(tree):
        if isinstance(one, ast.Return) and isinstance(one.value, ast.Tuple):
            first = one.value.elts[0]
            if isinstance(first, ast.Constant) and first.value:
                yield str(first.value)


def names() -> Iterator[str]:
    """What the panel asks for beside what stands in its own source word for word."""
    yield from (f"finding.{code}" for code in codes())
    yield from (f"check.{check.name}" for check in CHECKS)
    looks = (*Grade.__args__, "running")  # type: ignore[attr-defined]
    yield from (f"health.grade.{look}" for look in looks)
    yield from (f"health.{grade}" for grade in Grade.__args__)  # type: ignore[attr-defined]
    yield from ("health.old", "health.todo.fault", "health.todo.attention", "failed.health")
    services = ("bond", "conduit", "media", "panel", "vitals", "vehicle", "headset", "update")
    yield from (f"subject.service.{name}" for name in services)
    yield from (f"subject.certificate.{name}" for name in ("device", "authority"))
