"""The page itself: evidence in, one HTML file out that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from lethe.auditing.evidence import Evidence
from lethe.report import figures, measured, reading, views
from lethe.store import atomic


def write_report(evidences: Sequence[reading.Evidence], path: Path, title: str = "Unlearning report") -> None:
    """Write one self-contained HTML file about models that were unlearned from the same original.

    Args:
        evidences: the evidence of each model, as in `evidence.json`.
        path: the file to write; an older one is replaced in one step.
        title: heading of the page.

    Raises:
        InputError: there is no evidence, it is damaged, or the models were not audited on the same problem.
        StorageError: the file cannot be written.
    """
    # Evidence comes from files: read it as an audit would, so that what is damaged is refused in one line.
    evidences = [Evidence.from_json(evidence).to_json() for evidence in evidences]
    reading.check_comparable(evidences)
    text = _environment().get_template("report.html").render(
        title=title,
        lethe_version=version("lethe"),
        models=views.models(evidences),
        groups=measured.groups(evidences),
        data_sets=views.data_sets(evidences[0]),
        hashes=views.hashes(evidences),
        powerless=views.powerless(evidences),
        figures=figures.all_figures(evidences),
        versions=evidences[0]["versions"],
        plotly=_plotly(),
    )  # fmt: skip
    atomic(path, text.encode())


def _environment() -> Environment:
    # Every name and reason comes from somebody's data: all is escaped, and nothing is shown empty by mistake.
    return Environment(loader=PackageLoader("lethe.report"), autoescape=True, undefined=StrictUndefined)


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source
