"""The documentation follows the code: a page a method, every option on it, and commands that exist."""

from __future__ import annotations

import itertools
import re
import runpy
from pathlib import Path

import pytest
import typer

from lethe import catalogue, configure
from lethe.cli import app

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    runpy.run_path(str(DOCS / "generate.py"))["generate"](folder)
    return folder


@pytest.mark.parametrize("slug", [entry.slug for entry in catalogue.METHODS])
def test_every_method_has_a_page_with_all_it_takes(slug, generated):
    page = (generated / "systems" / f"{slug}.md").read_text("utf-8")
    kind = catalogue.find("method", slug)
    for option in configure.options(kind):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{option.name}` |"))
        assert f"`{option.default!r}`" in row
    assert f"--method {slug} " in page
    assert f"lethe.{kind.__name__}()" in page
    assert f"]({slug}.md)" in (generated / "systems" / "index.md").read_text("utf-8")


@pytest.mark.parametrize("kind", sorted(catalogue.KINDS.keys() - {"method"}))
def test_every_part_is_described(kind, generated):
    page = (generated / "systems" / f"{kind}s.md").read_text("utf-8")
    headings = re.findall(r"^## (\S+)$", page, flags=re.MULTILINE)
    assert headings == [entry.slug for entry in catalogue.KINDS[kind]]


def test_tables_have_as_many_cells_as_columns(generated):
    """A `|` in a formula or a type would shift the cells that follow it."""
    for path in generated.glob("systems/*.md"):
        for block in re.findall(r"(?:^\|.*\n)+", path.read_text("utf-8"), flags=re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, f"{path.name}: {block}"


def test_links_between_generated_pages_lead_somewhere(generated):
    for path in generated.rglob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_a_page_does_not_outlive_what_it_describes(tmp_path):
    stale = tmp_path / "systems" / "gone.md"
    stale.parent.mkdir()
    stale.write_text("old")
    runpy.run_path(str(DOCS / "generate.py"))["generate"](tmp_path)
    assert not stale.exists()


@pytest.mark.parametrize("page", ["index", "concepts", "command-line"])
def test_the_commands_that_pages_show_exist_with_their_options(page):
    known = {
        name: {flag for parameter in command.params for flag in parameter.opts}
        for name, command in typer.main.get_command(app).commands.items()
    }
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / f"{page}.md").read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    commands = [line.split() for block in blocks for line in block.splitlines() if line.startswith("lethe ")]
    assert commands
    for _, command, *words in commands:
        assert command in known
        assert {word for word in words if word.startswith("--")} <= known[command], command
        methods = [value for option, value in itertools.pairwise(words) if option == "--method"]
        assert set(methods) <= catalogue.entries("method").keys()
