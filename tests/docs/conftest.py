"""The example package of CONTRIBUTING.md, put together from its marked blocks as a reader would."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

from lethe import catalogue

ROOT = Path(__file__).parents[2]


def marked_files(document: str) -> dict[str, str]:
    """Return the content of every code block under a `<!-- file: path -->` line, by path."""
    return dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```", document, flags=re.DOTALL | re.MULTILINE))


@pytest.fixture
def example_package(tmp_path, monkeypatch):
    """The package written down, and installed as far as Python can tell: on the path, with its entry points."""
    files = marked_files((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    info = tmp_path / "lethe_example-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{slug} = {path}\n" for slug, path in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    monkeypatch.syspath_prepend(tmp_path)
    catalogue.entries.cache_clear()
    assert any(found.name == project["name"] for found in distributions())
    yield tmp_path
    monkeypatch.undo()
    catalogue.entries.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "lethe_example"]:
        del sys.modules[name]
