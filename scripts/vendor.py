"""Fetch the pinned browser packages and write static/vendor and static/vendor.lock.

Run by hand when a version changes: `python scripts/vendor.py`. Needs the `npm` command; the product itself does not.
The lock names every file with its package, version and sha256; tests/test_static.py checks the files against it.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
PLOTLY_SHEET = "plotly.css"

# Maps are not shipped, and a dangling reference stops the hashing of file names at deployment.
SOURCE_MAP = re.compile(rb"\s*/[*/]# sourceMappingURL=[^\n]*\s*$")

# The table of rules that Plotly would put into a <style>: selector (X = plot, Y = notifier) -> declarations.
RULE_TABLE = re.compile(r'\{"X,X div":.*?\};for\(', re.DOTALL)
RULE = re.compile(r"""("(?P<key>[^"]*)"|(?P<bare>[XY])):(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""")

SHEET_HEAD = """/* The style rules that {name} {version} would inject at run time, taken from its own table (MIT).
   Linked as a file because our content policy allows no inline style; see scripts/vendor.py. */
"""
SHEET_TAIL = """/* Asked for by a style attribute, which the policy refuses; without it heatmap cells blur together. */
.js-plotly-plot .hm image { image-rendering: pixelated; }
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned npm package: the file we take from it, and under which name it is served."""

    name: str
    version: str
    member: str
    served_as: str
    licence: str


PACKAGES = (
    Package("bootstrap", "5.3.9", "dist/css/bootstrap.min.css", "bootstrap.min.css", "MIT"),
    Package("htmx.org", "2.0.11", "dist/htmx.min.js", "htmx.min.js", "0BSD"),
    Package("plotly.js-cartesian-dist-min", "4.1.1", "plotly-cartesian.min.js", "plotly-cartesian.min.js", "MIT"),
)


def plotly_rules(bundle: str) -> str:
    """The style rules Plotly would inject, as a plain sheet.

    Selectors are rewritten as the bundle does: X -> `.js-plotly-plot .plotly`, Y -> `.plotly-notifier`.
    Raises ValueError when the bundle has no such table (a new Plotly version moved it).
    """
    found = RULE_TABLE.search(bundle)
    if found is None:
        raise ValueError("no rule table in the Plotly bundle")
    lines = []
    for rule in RULE.finditer(found.group(0)):
        selector = rule["key"] or rule["bare"]
        selector = selector.replace("X", ".js-plotly-plot .plotly").replace("Y", ".plotly-notifier")
        body = rule["double"] if rule["double"] is not None else rule["single"]
        lines.append(f"{selector} {{ {body} }}\n")
    return "".join(lines)


def fetch(package: Package, folder: Path) -> dict[str, bytes]:
    """The wanted file and the licence of one package, by `npm pack`. Raises CalledProcessError when npm fails."""
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    with tarfile.open(folder / done.stdout.strip().splitlines()[-1]) as archive:
        files = {}
        for member in (package.member, "LICENSE"):
            handle = archive.extractfile(f"package/{member}")
            if handle is None:
                raise FileNotFoundError(f"{package.name}: {member}")
            files[member] = handle.read()
    return files


def licence_page(texts: dict[Package, str]) -> str:
    """One page with the licence of every vendored package, unchanged."""
    parts = ["# Licences of the files in this folder\n\nUnchanged, from the npm packages named in `../vendor.lock`.\n"]
    for package, text in texts.items():
        also = f" (and `{PLOTLY_SHEET}`, taken from it)" if package.name.startswith("plotly") else ""
        head = f"\n## {package.name} {package.version}: {package.licence}\n\nFile: `{package.served_as}`{also}\n"
        parts.append(f"{head}\n```\n{text.strip()}\n```\n")
    return "".join(parts)


def write(folder: Path, name: str, content: bytes, package: Package) -> dict[str, str]:
    """Write one file and give its line of the lock."""
    (folder / name).write_bytes(content)
    return {"package": package.name, "version": package.version, "sha256": hashlib.sha256(content).hexdigest()}


def main() -> int:
    """Fetch everything anew and write the folder and the lock."""
    target = STATIC / "vendor"
    target.mkdir(parents=True, exist_ok=True)
    lock: dict[str, dict[str, str]] = {}
    licences: dict[Package, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for package in PACKAGES:
            files = fetch(package, Path(scratch))
            content = SOURCE_MAP.sub(b"\n", files[package.member])
            licences[package] = files["LICENSE"].decode()
            lock[f"vendor/{package.served_as}"] = write(target, package.served_as, content, package)
            if package.name.startswith("plotly"):
                head = SHEET_HEAD.format(name=package.name, version=package.version)
                sheet = head + plotly_rules(content.decode()) + SHEET_TAIL
                lock[f"vendor/{PLOTLY_SHEET}"] = write(target, PLOTLY_SHEET, sheet.encode(), package)
    (target / "LICENSES.md").write_text(licence_page(licences), encoding="utf-8")
    (STATIC / "vendor.lock").write_text(json.dumps(lock, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
