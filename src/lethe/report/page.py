"""The page itself: evidence in, one HTML file out that needs nothing beside itself."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lethe.auditing.evidence import Evidence, digest_of
from lethe.errors import InputError
from lethe.report import attacked, figures, grouped, measured, policing, reading, views
from lethe.report.checklist import Checklist
from lethe.report.levels import RemovalLevels
from lethe.store import atomic

SECTION_OF_FIGURE = {
    "accuracies": "efficacy", "recovered": "efficacy", "curve": "efficacy", "membership": "data", "layers": "data",
    "cost": "utility",
}  # fmt: skip
"""Which section a figure stands in, by the first part of its name."""


def write_report(evidences: Sequence[reading.Evidence], path: Path, title: str = "Unlearning report") -> None:
    """Write one self-contained HTML file about models that were unlearned from the same original.

    Its sections are those of an assessment: scope, what the data left in the model, efficacy, utility; then the policy
    line by line, and what the audit cannot tell. It names the digest of the evidence it was made from, and the same
    evidence gives the same bytes, so that an edited page is found out.

    Args:
        evidences: the evidence of each model, as in `evidence.json`.
        path: the file to write; an older one is replaced in one step.
        title: heading of the page.

    Raises:
        InputError: there is no evidence, it is damaged or was edited, or the models were not audited on the same
            problem.
        StorageError: the file cannot be written.
    """
    # Evidence comes from files: read it as an audit would, so that what is damaged is refused in one line.
    read = [_read(evidence) for evidence in evidences]
    plain = [one.to_json() for one in read]
    reading.check_comparable(plain)
    drawn = figures.all_figures(plain)
    text = _environment().get_template("report.html").render(
        title=title,
        lethe_version=version("lethe"),
        models=views.models(read, plain),
        checks=list(zip(*(Checklist()(one) for one in read), strict=True)),
        scope=views.scope(plain),
        tables=measured.sections(plain),
        groups=grouped.parts(plain),
        interviews=attacked.interviews(plain),
        extents=[RemovalLevels()(one) for one in read],
        policies=[policing.lines(one) for one in read],
        same_policy=all(one.policy == read[0].policy for one in read),
        data_sets=views.data_sets(plain[0]),
        hashes=views.hashes(plain),
        warnings=views.warnings(plain),
        powerless=views.powerless(plain),
        figures={
            section: [one for one in drawn if SECTION_OF_FIGURE[one.name.split("-")[0]] == section]
            for section in set(SECTION_OF_FIGURE.values())
        },
        versions=plain[0]["versions"],
        plotly=_plotly() if drawn else "",
    )  # fmt: skip
    atomic(path, text.encode())


def _read(evidence: Mapping[str, Any]) -> Evidence:
    read = Evidence.from_json(evidence)
    if "digest" in evidence and evidence["digest"] != digest_of(evidence):
        raise InputError(
            f"the evidence on '{read.name}' was changed after its audit (its digest does not fit); run the audit again"
        )
    return read


def _environment() -> Environment:
    # Every name and reason comes from somebody's data: all is escaped, and nothing is shown empty by mistake.
    return Environment(loader=PackageLoader("lethe.report"), autoescape=True, undefined=StrictUndefined)


@cache
def _plotly() -> str:
    """Return the drawing library compressed, as text: a third of its size, which the browser unpacks by itself."""
    from plotly.offline import get_plotlyjs

    # Without a time stamp the same library gives the same bytes.
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
