"""What is in a box's program, or in its whole image: CycloneDX 1.5 as JSON, and a list of licences.

    sbom.py wheel LOCK SITE_PACKAGES OUT     the program's Python libraries, as LOCK names them
    sbom.py image ROOT OUT                   Debian packages and Python libraries below a root

OUT.cdx.json and OUT.licences.txt are made. Debian: var/lib/dpkg/status (dpkg-query(1)) and each
package's usr/share/doc/<name>/copyright (DEP 5). Python: the metadata of each distribution (PEP
639, or what there was before it). SOURCE_DATE_EPOCH says the time, so that the same image gives the
same bytes. https://cyclonedx.org/docs/1.5/json
"""

import datetime
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

LICENCE_LINE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)
COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
LOCK_LINE = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
TEXT_MAX = 120
UNKNOWN = "not said"
ITS_OWN = "in words of its own"
"""A copyright file that names none: it is read where it lies."""


@dataclass(frozen=True, order=True)
class Part:
    """One thing that somebody else made. `purl`: package-url, its identity."""

    kind: str
    name: str
    version: str
    purl: str
    licences: tuple[str, ...]


def python_parts(site: Path, wanted: set[str] | None = None) -> Iterator[Part]:
    """`wanted`: normalised names; None: all that are there."""
    for one in distributions(path=[str(site)]):
        name = normalised(one.metadata["Name"])
        if wanted is None or name in wanted:
            purl = f"pkg:pypi/{quote(name)}@{quote(one.version)}"
            yield Part("python", name, one.version, purl, python_licences(one))


def normalised(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_licences(one: Distribution) -> tuple[str, ...]:
    """What the metadata says, the most exact first."""
    said = one.metadata
    if expression := said.get("License-Expression"):
        return (expression,)
    classifiers = [
        text.rsplit("::", 1)[1].strip()
        for text in said.get_all("Classifier") or []
        if text.startswith("License ::") and text.count("::") > 1
    ]
    if classifiers:
        return tuple(sorted(set(classifiers)))
    first = (said.get("License") or "").strip().partition("\n")[0]
    return (first[:TEXT_MAX] or UNKNOWN,)


def debian_parts(root: Path) -> Iterator[Part]:
    """All that are installed."""
    release = os_release(root)
    text = (root / "var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace")
    for stanza in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in stanza.splitlines()
            if not line.startswith(" ") and ": " in line
        )
        if fields.get("Status") != "install ok installed":
            continue
        name, version = fields["Package"], fields["Version"]
        where = f"arch={fields['Architecture']}&distro={release.get('VERSION_CODENAME', '')}"
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?{where}"
        yield Part("debian", name, version, purl, debian_licences(root, name))


def debian_licences(root: Path, name: str) -> tuple[str, ...]:
    """By its copyright file: the fields of DEP 5, else the common licences that it points to."""
    path = root / "usr/share/doc" / name / "copyright"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return (UNKNOWN,)
    if found := {one.strip()[:TEXT_MAX] for one in LICENCE_LINE.findall(text)}:
        return tuple(sorted(found))
    return tuple(sorted(set(COMMON.findall(text)))) or (ITS_OWN,)


def os_release(root: Path) -> dict[str, str]:
    """os-release(5)."""
    lines = (root / "usr/lib/os-release").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name: value.strip('"') for name, value in pairs}


def bill(subject: dict[str, str], parts: list[Part]) -> dict[str, Any]:
    """CycloneDX 1.5. Its serial number follows from what is in it."""
    components = [
        {
            "type": "library",
            "bom-ref": part.purl,
            "name": part.name,
            "version": part.version,
            "purl": part.purl,
            "licenses": [{"license": {"name": one}} for one in part.licences],
        }
        for part in parts
    ]
    content = json.dumps([subject, components], sort_keys=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    at = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": subject["name"], **subject},
        },
        "components": components,
    }


def licences(parts: list[Part]) -> str:
    """Each licence, and what is under it."""
    under: dict[str, list[str]] = {}
    for part in parts:
        for one in part.licences:
            under.setdefault(one, []).append(f"{part.name} {part.version} ({part.kind})")
    lines = []
    for name in sorted(under, key=str.lower):
        lines += [name, *(f"    {one}" for one in sorted(under[name])), ""]
    return "\n".join(lines)


def write(out: Path, subject: dict[str, str], found: Iterator[Part]) -> None:
    """Both files."""
    parts = sorted(set(found))
    out.parent.mkdir(parents=True, exist_ok=True)
    made = json.dumps(bill(subject, parts), indent=1, ensure_ascii=False)
    out.with_name(f"{out.name}.cdx.json").write_text(made + "\n", encoding="utf-8")
    out.with_name(f"{out.name}.licences.txt").write_text(licences(parts), encoding="utf-8")
    unsaid = [part.name for part in parts if UNKNOWN in part.licences]
    sys.stdout.write(f"{out}: {len(parts)} parts, {len(unsaid)} do not say their licence\n")


def main(words: list[str]) -> int:
    """The command line."""
    version = os.environ.get("EDGEBOX_VERSION", "")
    match words:
        case ["wheel", lock, site, out]:
            names = {normalised(one) for one in LOCK_LINE.findall(Path(lock).read_text())}
            subject = {"name": "edgebox", "version": version}
            write(Path(out), subject, python_parts(Path(site), names))
        case ["image", text, out]:
            root = Path(text)
            release = os_release(root)
            subject = {
                "name": release.get("IMAGE_ID", "edgebox"),
                "version": release.get("IMAGE_VERSION", version),
            }
            write(Path(out), subject, image_parts(root))
        case _:
            sys.stderr.write((__doc__ or "").split("\n\n")[1] + "\n")
            return 2
    return 0


def image_parts(root: Path) -> Iterator[Part]:
    """Debian's, and those of our own environment."""
    yield from debian_parts(root)
    for site in sorted(root.glob("opt/edgebox/venv/lib/python3*/site-packages")):
        yield from (part for part in python_parts(site) if part.name != "edgebox")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
