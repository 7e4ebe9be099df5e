"""Verification: whether an evidence still says what it said, and whether it belongs to these models and data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from lethe.auditing import checks
from lethe.auditing.evidence import SIGNATURE, Evidence, Verdict
from lethe.auditing.measure import measure
from lethe.auditing.measure_text import measure_text
from lethe.auditing.measure_values import measure_values
from lethe.auditing.metric import Rows
from lethe.auditing.policy import Policy
from lethe.auditing.sealing import is_signed, is_whole
from lethe.auditing.verdict import verdict
from lethe.errors import LetheError
from lethe.examples import Examples
from lethe.models import fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Classification, Regression
from lethe.versions import versions


@dataclass(frozen=True)
class Line:
    """One thing that was looked at.

    Args:
        what: what it is.
        agrees: None where it could not be told, or does not matter.
        said: what was found.
    """

    what: str
    agrees: bool | None
    said: str


def of_document(value: Mapping[str, Any], evidence: Evidence, key: bytes | None = None) -> Iterator[Line]:
    """Yield whether the evidence says what its digest was made from, and whether its verdict follows from its values.

    Args:
        value: the content of evidence.json.
        evidence: the same, read.
        key: what it was signed with; None does not look.
    """
    whole = is_whole(value)
    yield Line("digest", whole, "as recorded" if whole else "a value was changed after the audit")
    if key is not None:
        sealed = SIGNATURE in value and is_signed(value, key)
        wrong = "not made with this key, or of other values" if SIGNATURE in value else "there is none"
        yield Line("signature", sealed, "made with this key" if sealed else wrong)
    try:
        again = _verdict_again(evidence)
    except LetheError as error:
        yield Line("verdict", False, str(error))
        return
    same = again == evidence.verdict
    said = "follows from the values" if same else f"the values and the policy say: {again.sentence}"
    yield Line("verdict", same, said)


def _verdict_again(evidence: Evidence) -> Verdict:
    return verdict(
        evidence.metrics,
        evidence.attacks,
        Policy.from_dict(evidence.policy),
        skipped=evidence.skipped,
        cautions=evidence.warnings,
        groups=evidence.groups,
        unchanged=evidence.models["unlearned"] == evidence.models["original"],
    )


def of_versions(evidence: Evidence) -> Iterator[Line]:
    """Yield which versions are others here: numbers may differ in the last digits, which is no fault."""
    now = versions()
    for name, before in evidence.versions.items():
        here = now.get(name, "not installed")
        same = here == before
        yield Line(f"version of {name}", True if same else None, before if same else f"{before}, here {here}")


def of_contents(evidence: Evidence, problem: Problem, model: nn.Module) -> Iterator[Line]:
    """Yield whether weights and examples are those the evidence speaks of."""
    own = fingerprint(model)
    golds = [key for gold in problem.gold if (key := fingerprint(gold)) != own]
    yield _same("weights of the unlearned model", own, evidence.models["unlearned"])
    yield _same("weights of the original", fingerprint(problem.model), evidence.models["original"])
    recorded = list(evidence.models["gold"])
    for i, before in enumerate(recorded, start=1):
        there = before in golds
        yield Line(f"weights of gold {i}", there, "as recorded" if there else "no gold model here has these weights")
    if set(golds) - set(recorded):
        yield Line("gold models", False, f"{len(set(golds) - set(recorded))} more than the evidence speaks of")
    for part, now in problem.fingerprint().items():
        if part != "model":
            yield _same(f"{part} set", now, evidence.data[part])


def _same(what: str, now: str | None, before: str | None) -> Line:
    return Line(what, now == before, "as recorded" if now == before else "not the one that was audited")


def measured_again(evidence: Evidence, problem: Problem, model: nn.Module, run: Run) -> Iterator[Line]:
    """Yield whether each model gives a few examples what the evidence recorded; see `checks`."""
    if not evidence.checks:
        yield Line("sample", None, "the evidence records none")
        return
    ids, recorded = evidence.checks["rows"], evidence.checks["values"]
    golds = {f"gold {i}": gold for i, gold in enumerate(problem.gold, start=1)}
    models = {"unlearned": model, "original": problem.model, **golds}
    parts = {"forget": problem.forget, "retain": problem.retain, "holdout": problem.holdout}
    try:
        sets = {name: one.select(ids[name]) for name, one in parts.items() if one is not None and name in ids}
        for name, before in recorded.items():
            wrong = _wrong(problem, models.get(name), sets, ids, before, run)
            yield Line(f"sample measured on {name}", not wrong, "; ".join(wrong) or "as recorded")
    except LetheError as error:
        yield Line("sample", False, str(error))


def _wrong(
    problem: Problem, model: nn.Module | None, sets: Mapping[str, Examples], ids: Any, before: Any, run: Run
) -> list[str]:
    if model is None:
        return ["there is no such model here"]
    return checks.differing(before, checks.values(_rows(problem, model, sets, run), ids))


def _rows(problem: Problem, model: nn.Module, sets: Mapping[str, Examples], run: Run) -> Rows:
    task = problem.task
    moved = model.to(run.device)
    if isinstance(task, CausalLM):
        return measure_text(moved, task, sets, run)
    if isinstance(task, Regression):
        return measure_values(moved, task, sets, run)
    assert isinstance(task, Classification)
    return measure(moved, task, sets, run)
