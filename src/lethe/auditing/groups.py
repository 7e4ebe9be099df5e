"""Groups: the same metrics on parts of the forget set, where unlearning fails first: minorities and outliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lethe.auditing.evidence import GroupEntry
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.signals import log_probability
from lethe.auditing.policy import Policy
from lethe.auditing.resampling import resampled, resampled_references
from lethe.auditing.scoring import Panel, Resampled, Scores, entry, lacking, metric_seed, require_numbers
from lethe.errors import ConfigurationError, LetheError, nearest
from lethe.examples import Examples
from lethe.run import Run

SMALLEST = 5  # examples a group is judged by at least
MOST_GROUPS = 40  # of one column; the largest are judged
RESAMPLES = 25  # bootstrap samples a group: the width of its intervals is known to a seventh
Positions = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Group:
    """Part of the forget set, and of the other sets where they have such examples.

    Args:
        name: what the examples have in common, as `label = 3`.
        at: set name to the positions of its examples; sets that are not named are taken whole.
        gold_at: the same for each gold model, where which examples belong depends on gold; empty where it does not.
    """

    name: str
    at: Positions
    gold_at: tuple[Positions, ...] = ()

    def __len__(self) -> int:
        """Return the number of forget examples."""
        return len(self.at["forget"])


def most_memorised(original: Rows, gold: Sequence[Rows], share: float = 0.2) -> Group:
    """Return the forget examples that the original knows best beyond gold.

    They have the largest log p_original - mean_k log p_gold_k, or, without gold, the largest log p_original. Chosen
    against gold's mean, such examples are those of which gold happens to know least; so that a further gold model does
    not look like the original there, each gold model is measured on the examples chosen against the others.

    Args:
        original: what was measured of the original.
        gold: the same of each gold model.
        share: of the forget set, in (0, 1].
    """
    known = log_probability(original, "forget")
    count = max(1, round(share * len(known)))
    unknown = [log_probability(one, "forget") for one in gold]

    def chosen(others: Sequence[Tensor]) -> Positions:
        beyond = known - torch.stack(list(others)).mean(0) if others else known
        return {"forget": beyond.argsort(descending=True, stable=True)[:count].sort().values}

    by = "original above gold" if gold else "loss of the original"
    each = tuple(chosen([*unknown[:k], *unknown[k + 1 :]]) for k in range(len(gold))) if len(gold) > 1 else ()
    return Group(f"most memorised {share:.0%} ({by})", chosen(unknown), each)


def by_column(sets: Mapping[str, Examples], rows: Rows, column: str) -> tuple[list[Group], list[str]]:
    """Return the examples of each value of a column, the largest groups first, and what was left out and why.

    The retain set and the holdout are cut down alike where they have enough examples of the value.

    Args:
        sets: the examples, by set.
        rows: what was measured of them, which may be a sample.
        column: a column of text or of whole numbers.

    Raises:
        ConfigurationError: the forget set has no such column, or it is neither text nor whole numbers.
    """
    values = {name: _values(sets[name], column) for name in sets if column in sets[name].columns or name == "forget"}
    at = {name: [values[name][sets[name].position[one]] for one in rows.ids(name)] for name in values}
    counts = dict.fromkeys(sorted(set(at["forget"])), 0)
    for value in at["forget"]:
        counts[value] += 1
    ordered = sorted(counts, key=lambda value: -counts[value])
    large = [value for value in ordered if counts[value] >= SMALLEST]
    left = [
        f"{column} = {v}: {counts[v]} examples are too few, {SMALLEST} or more are judged"
        for v in ordered[len(large) :]
    ]
    if len(large) > MOST_GROUPS:
        left.append(f"{column}: of {len(large)} groups the {MOST_GROUPS} largest are judged")
    groups = []
    for value in large[:MOST_GROUPS]:
        places = {name: torch.tensor([i for i, one in enumerate(at[name]) if one == value]) for name in at}
        kept = {name: place.long() for name, place in places.items() if len(place) >= SMALLEST}
        groups.append(Group(f"{column} = {value}", kept))
    return groups, left


def on_groups(
    metrics: Sequence[tuple[str, Metric]],
    sets: Mapping[str, Examples],
    subject: Rows,
    beside: References,
    run: Run,
    policy: Policy,
    column: str = "",
) -> tuple[list[GroupEntry], list[dict[str, str]]]:
    """Return what the metrics find on the most memorised examples and on each value of a column, and what was left out.

    Args:
        metrics: the metrics by name.
        sets: the examples, by set.
        subject: what was measured of the audited model.
        beside: its references.
        run: seed and progress.
        policy: the bounds a gap is judged by.
        column: the column to group by; empty for the most memorised examples alone.
    """
    groups, left = by_column(sets, subject, column) if column else ([], [])
    memorised = most_memorised(beside.original, beside.gold)
    if len(memorised) >= SMALLEST:
        groups = [memorised, *groups]
    else:
        left = [f"{memorised.name}: {len(memorised)} examples are too few, {SMALLEST} or more are judged", *left]
    found: list[GroupEntry] = []
    with run.progress.bar("scoring groups", len(groups)) as bar:
        for group in groups:
            run.interrupt_point()
            found += group_entries(group, metrics, subject, beside, run, policy)
            bar.advance()
    return found, [{"name": "groups", "reason": reason} for reason in left]


def group_entries(
    group: Group,
    metrics: Sequence[tuple[str, Metric]],
    subject: Rows,
    beside: References,
    run: Run,
    policy: Policy,
    resamples: int = RESAMPLES,
) -> list[GroupEntry]:
    """Return what each metric finds on the group: those that may be computed on resampled examples.

    Metrics of utility speak of the retain set or the holdout, and are computed where that was cut down to the group.

    Args:
        group: which examples.
        metrics: the metrics by name; those that are not cheap are left out.
        subject: what was measured of the audited model.
        beside: its references.
        run: seed and progress.
        policy: the bounds a gap is judged by.
        resamples: bootstrap samples for intervals.
    """
    own, references = _part(subject, group.at), _parts(beside, group.at)
    seed = metric_seed(run)
    scored: list[tuple[str, Metric, Score, Scores]] = []
    for name, metric in metrics:
        if not _speaks_of(metric, group) or lacking(metric, references) is not None:
            continue
        try:
            score, others = metric(own, references, seed), _others(metric, group, beside, references, seed)
            require_numbers(metric, score, others)
        except LetheError:
            continue  # said once already, of the whole set, or a set too small for this one metric
        scored.append((name, metric, score, others))
    gaps = Panel(references).gaps(own, references, [(n, m) for n, m, *_ in scored], resamples, run)
    return [
        _entry(group, name, metric, score, others, own, gaps.get(name), policy)
        for name, metric, score, others in scored
    ]


def _entry(
    group: Group,
    name: str,
    metric: Metric,
    score: Score,
    others: Scores,
    rows: Rows,
    gaps: Resampled | None,
    policy: Policy,
) -> GroupEntry:
    found = entry(name, metric, score, others, metric.resolution(rows), gaps, policy, len(group))
    return GroupEntry(
        metric=name,
        group=group.name,
        size=len(group),
        value=found.value,
        original=found.original,
        gold=found.gold,
        gold_mean=found.gold_mean,
        gap=found.gap,
        interval=found.interval,
        finding=found.finding,
    )


def _speaks_of(metric: Metric, group: Group) -> bool:
    if not metric.resample or "siblings" in metric.needs:
        return False
    if metric.kind == "utility":
        read = metric.needs & {"retain", "holdout"}
        return bool(read) and read <= group.at.keys()
    return metric.kind in ("forgetting", "privacy")


def _others(metric: Metric, group: Group, beside: References, references: References, seed: int) -> Scores:
    """Return the metric of the original and of each gold model, each gold beside the others."""
    gold = []
    for k in range(len(beside.gold)):
        there = _parts(beside, group.gold_at[k]) if group.gold_at else references
        against = replace(there, gold=there.gold[:k] + there.gold[k + 1 :], siblings=())
        if lacking(metric, against) is None:
            gold.append(metric(there.gold[k], against, seed))
    return Scores(metric(references.original, replace(references, siblings=()), seed), tuple(gold))


def _part(rows: Rows, at: Positions) -> Rows:
    return resampled(rows, _whole(rows, at))


def _parts(references: References, at: Positions) -> References:
    return resampled_references(references, _whole(references.original, at))


def _whole(rows: Rows, at: Positions) -> Positions:
    """Return positions in every set, all of them where the group names none."""
    return {name: at.get(name, torch.arange(count)) for name, count in rows.counts.items()}


def check_column(examples: Examples, column: str) -> None:
    """Raise ConfigurationError where the examples cannot be grouped by the column."""
    _values(examples, column)


def _values(examples: Examples, column: str) -> list[str]:
    """Return the value of each example as text."""
    if column not in examples.columns:
        raise ConfigurationError(
            f"the examples to forget have no column '{column}' to group by{nearest(column, examples.columns)}"
        )
    values = examples.columns[column]
    if isinstance(values, Tensor):
        if values.dim() != 1 or values.is_floating_point():
            raise ConfigurationError(f"column '{column}' holds no classes; group by text or whole numbers")
        return [str(value) for value in values.tolist()]
    texts = np.asarray(values).tolist()
    if not all(isinstance(value, (str, int, bool)) or value is None for value in texts):
        raise ConfigurationError(f"column '{column}' holds lists or fractions; group by text or whole numbers")
    return [str(value) for value in texts]
