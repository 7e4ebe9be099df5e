"""Write the pages that follow from the code: one a method, one a kind of part, and the reference from docstrings."""

from __future__ import annotations

import inspect
import pkgutil
import re
import shutil
from pathlib import Path
from typing import Any

import lethe
from lethe import catalogue, configure
from lethe.descent import Descent

DOCS = Path(__file__).parent
PARTS = {
    "scope": "Scopes: which weights may move",
    "step": "Steps: how gradients become an update",
    "weighting": "Weightings: how much each forget example counts",
    "metric": "Metrics",
    "attack": "Attacks",
    "benchmark": "Benchmarks",
    "attribution": "Attribution: which training sets a model owes what it says to",
    "guide": "Guides: what surveys of the field do in the report and in recommendations",
}
PRIVATE = {"lethe.cli", "lethe.__main__", "lethe.demo"}
"""What is reached by the command line and not imported by anybody."""

ENDS_PROSE = r"^(?:Args|Attributes|Class attributes|Raises|Source):|^>>>"


def generate(docs: Path) -> None:
    """Write `systems/` and `reference/` anew, so that no page outlives what it describes."""
    systems, reference = docs / "systems", docs / "reference"
    for folder in (systems, reference):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    methods = own("method")
    for slug in methods:
        (systems / f"{slug}.md").write_text(method_page(slug), "utf-8")
    parts = [kind for kind in PARTS if own(kind)]
    for kind in parts:
        (systems / f"{kind}s.md").write_text(parts_page(kind), "utf-8")
    (systems / "index.md").write_text(systems_index(methods, parts), "utf-8")
    names = rooms()
    for name in names:
        (reference / f"{name}.md").write_text(f"# {name}\n\n::: {name}\n", "utf-8")
    listed = "\n".join(f"- [{name}]({name}.md)" for name in names)
    (reference / "index.md").write_text(f"# Reference\n\nFrom the docstrings.\n\n{listed}\n", "utf-8")


def own(kind: str) -> list[str]:
    """Return the slugs of lethe's own entries: what other packages add here is not documented here."""
    return [entry.slug for entry in catalogue.KINDS[kind]]


def method_page(slug: str) -> str:
    """Return the page of a method."""
    facts, loaded = catalogue.describe("method", slug), catalogue.find("method", slug)
    example = f"lethe unlearn --model MODEL --data DATA --forget 'label == 3' --method {slug} --out RUN"
    lines = [
        f"# {slug}",
        text(facts["title"]),
        table(
            ("works on", "needs", "acts on", "removes", "exactness", "aims at"),
            [(*(", ".join(facts[key]) or "nothing else" for key in ("tasks", "needs")),
              facts["acts_on"], facts["intent"], facts["exactness"], facts["aims"])],
        ),
        *body(loaded),
        "## Hyperparameters",
        hyperparameters(loaded),
        "## Run it",
        f"```sh\n{example}\n```",
        f"```python\nimport lethe\n\nresult = lethe.unlearn(problem, lethe.{loaded.__name__}())\n```",
    ]  # fmt: skip
    if issubclass(loaded, Descent):
        lines.append(
            "It runs on the descent loop: combine it with another [scope](scopes.md), [step](steps.md) or "
            "[weighting](weightings.md), in Python by its field, on the command line by `--scope`, `--step`, "
            "`--weighting`."
        )
    room = loaded.__module__
    lines += [f"Code: [`{room}`](../reference/{room}.md#{room}.{loaded.__name__})"]
    return "\n\n".join(lines) + "\n"


def parts_page(kind: str) -> str:
    """Return the page of all parts of a kind."""
    lines = [f"# {PARTS[kind]}"]
    for slug in own(kind):
        loaded = catalogue.find(kind, slug)
        lines += [f"## {slug}", text(catalogue.describe(kind, slug)["title"]), *body(loaded), hyperparameters(loaded)]
    return "\n\n".join(line for line in lines if line) + "\n"


def systems_index(methods: list[str], parts: list[str]) -> str:
    """Return the list of all methods and kinds of parts."""
    described = [catalogue.describe("method", slug) for slug in methods]
    rows = [
        (
            f"[{facts['slug']}]({facts['slug']}.md)",
            text(facts["title"]),
            facts["aims"],
            facts["exactness"],
            ", ".join(facts["needs"]),
        )
        for facts in described
    ]
    kinds = "\n".join(f"- [{PARTS[kind]}]({kind}s.md)" for kind in parts)
    listed = table(("method", "what it does", "aims at", "exactness", "needs"), rows)
    return f"# Systems\n\n## Methods\n\n{listed}\n\n## Parts, metrics and attacks\n\n{kinds}\n"


def body(kind: type[Any]) -> list[str]:
    """Return a class's description below its first line, then its source."""
    document = inspect.cleandoc(kind.__doc__ or "")
    described = re.split(
        r"^ *(?:Args|Attributes|Class attributes|Raises|Source):|^ *>>>", document, flags=re.MULTILINE
    )[0]
    paragraphs = [" ".join(paragraph.split()) for paragraph in described.split("\n\n")[1:]]
    source = catalogue.section(document, "Source")
    return [*(text(p) for p in paragraphs if p), *([f"**Source:** {linked(text(source))}"] if source else [])]


def hyperparameters(kind: type[Any]) -> str:
    """Return the table of a class's hyperparameters, or a word where there are none."""
    rows = [
        (f"`{option.name}`", f"`{option.type.replace(' | ', ' or ')}`", f"`{option.default!r}`", text(option.meaning))
        for option in configure.options(kind)
    ]
    return table(("option", "type", "default", "meaning"), rows) if rows else "No hyperparameters."


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def text(plain: str) -> str:
    """Return prose of a docstring as Markdown: code stays code, everything else stands as it is written."""
    pieces = plain.split("`")
    pieces[::2] = [re.sub(r"([\\*_<\[])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def linked(source: str) -> str:
    """Return a citation with its arXiv numbers as links."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", source)


def rooms() -> list[str]:
    """Return the modules that the reference has a page for."""
    found = []
    for module in pkgutil.walk_packages(lethe.__path__, "lethe."):
        if not any(module.name == name or module.name.startswith(f"{name}.") for name in PRIVATE):
            found.append(module.name)
    return ["lethe", *sorted(found)]


if __name__ == "__main__":
    generate(DOCS)
