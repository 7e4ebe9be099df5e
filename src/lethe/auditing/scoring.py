"""Scoring: one metric of the model, of the original and of every gold model, on all examples and on resampled ones."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from lethe.auditing.attacks.base import Attack
from lethe.auditing.evidence import Entry
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.pairing import gap_error
from lethe.auditing.policy import DEFAULT, Policy
from lethe.auditing.power import Gold, binomial_error, finding, half_width, power
from lethe.auditing.recovered import before, recovered
from lethe.auditing.resampling import draws, resampled, resampled_references
from lethe.errors import AuditIncomplete
from lethe.run import Run

_MENDS = {
    "retain": "needs a retain set; give --retain, or Problem(retain=...)",
    "holdout": "needs a holdout set; give --holdout, or Problem(holdout=...)",
    "gold": "needs a gold model; give --gold, Problem(gold=...) or Problem(retrain=...)",
    "two golds": "needs two gold models; give --gold twice, Problem(gold=...) or Problem(retrain=...)",
    "originals": "needs a further model trained on all, from another seed; give --originals (originals= in Python)",
    "siblings": "needs a further model unlearned alike, from another seed; give --siblings (siblings= in Python)",
    "activations": "needs layer activations, which were not measured",
    "generation": "needs what the model generates, which was not asked for",
    "moments": "needs the moments of log p over the vocabulary, which were not measured",
}


@dataclass(frozen=True, eq=False)
class Scores:
    """One metric of the original and of each gold model: the same whatever model is set beside them."""

    original: Score
    gold: tuple[Score, ...]


@dataclass(frozen=True)
class Resampled:
    """The gap to gold on each bootstrap sample of the examples, of the audited model and of the original."""

    own: list[float] = field(default_factory=list)
    original: list[float] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Panel:
    """The models an audited model is set beside, as measured.

    Args:
        references: original, gold and further originals; without siblings, which belong to the audited model.
    """

    references: References

    def scores(self, metric: Metric, seed: int) -> Scores:
        """Return the metric of the original and of each gold model.

        Raises:
            AuditIncomplete: the metric reads ensembles, and there is no further original beside the original.
        """
        if "siblings" in metric.needs and not self.references.originals:
            raise AuditIncomplete(_MENDS["originals"])
        original = replace(self.references, siblings=self.references.originals)
        return Scores(
            metric(self.references.original, original, seed),
            tuple(metric(rows, against, seed) for rows, against in self._golds(self.references, metric)),
        )

    def gaps(
        self, subject: Rows, beside: References, metrics: Sequence[tuple[str, Metric]], count: int, run: Run
    ) -> dict[str, Resampled]:
        """Return, by metric, the gaps to gold on each of `count` bootstrap samples of the examples.

        Args:
            subject: what was measured of the audited model.
            beside: its references.
            metrics: those that may be resampled, by name.
            count: number of samples.
            run: seed and progress.
        """
        found = {name: Resampled() for name, _ in metrics}
        count, seed = count if metrics and beside.gold else 0, metric_seed(run)
        with run.progress.bar("resampling", count) as bar:
            for drawn in draws(subject, count, run.generator("resampling")):
                run.interrupt_point()
                own, references = resampled(subject, drawn), resampled_references(beside, drawn)
                for name, metric in metrics:
                    gold = [metric(rows, against, seed).value for rows, against in self._golds(references, metric)]
                    if gold:
                        mean = statistics.fmean(gold)
                        found[name].own.append(metric(own, references, seed).value - mean)
                        original = replace(references, siblings=references.originals)
                        found[name].original.append(metric(references.original, original, seed).value - mean)
                bar.advance()
        return found

    @staticmethod
    def _golds(references: References, metric: Metric) -> Iterator[tuple[Rows, References]]:
        """Yield each gold model with its own references, where the others are enough for the metric.

        A metric of ensembles sees half of the other gold models as the siblings of this one, so that no model stands
        on both sides.
        """
        for i, rows in enumerate(references.gold):
            others = references.gold[:i] + references.gold[i + 1 :]
            half = len(others) // 2 if "siblings" in metric.needs else 0
            against = replace(references, gold=others[half:], siblings=others[:half])
            if lacking(metric, against) is None:
                yield rows, against


def metric_seed(run: Run) -> int:
    """Return the seed every metric draws from, alike for all models; 32 bits are what NumPy takes."""
    return run.key("audit") % 2**32


def lacking(metric: Metric, references: References) -> str | None:
    """Return why the metric cannot be computed with these references, or None where it can."""
    original = references.original
    forget, text = original.sets.get("forget"), original.texts.get("forget")
    there = {
        "retain": "retain" in original.counts,
        "holdout": "holdout" in original.counts,
        "gold": bool(references.gold),
        "two golds": len(references.gold) > 1,
        "originals": bool(references.originals),
        "siblings": bool(references.siblings),
        "activations": forget is not None and bool(forget.activations),
        "generation": text is not None and bool(text.generated),
        "moments": text is not None and text.log.mean is not None,
    }
    missing = next((need for need in _MENDS if need in metric.needs and not there[need]), None)
    return _MENDS[missing] if missing else None


def require_numbers(of: Metric | Attack, own: Score, others: Scores) -> None:
    """Raise AuditIncomplete where a score is NaN or infinite: nothing could be said of the gap."""
    values = (own.value, others.original.value, *(score.value for score in others.gold))
    if not all(map(math.isfinite, values)):
        raise AuditIncomplete(f"{of.title} is not a finite number for every model: {', '.join(map(str, values))}")


def entry(
    name: str,
    of: Metric | Attack,
    own: Score,
    others: Scores,
    resolution: float,
    resampled: Resampled | None = None,
    policy: Policy = DEFAULT,
    examples: int = 0,
) -> Entry:
    """Return what one metric or attack found: the value beside the original's and gold's, and what follows.

    Args:
        name: slug.
        of: the metric or attack.
        own: the audited model's score.
        others: those of the original and of gold.
        resolution: the smallest difference that means anything.
        resampled: the gaps on bootstrap samples; None where the metric is not resampled.
        policy: the bounds a gap is judged by.
        examples: number of forget examples, for the binomial error of a share that is not resampled and of which no
            single examples are known; 0 leaves it out.
    """
    values, original = tuple(score.value for score in others.gold), others.original.value
    gold = Gold(values, resolution) if values else None
    share, around_share = recovered(own, others.original, others.gold, resolution)
    found = Entry(
        name=name,
        title=of.title,
        unit=of.unit,
        kind=of.kind,
        goal=of.goal,
        value=own.value,
        original=original,
        gold=values,
        gold_mean=None,
        gold_spread=None,
        gap=None,
        gap_in_spreads=None,
        interval=None,
        power=power(original, gold),
        finding=finding(own.value, original, gold),
        details=own.details,
        original_details=others.original.details,
        gold_details=tuple(score.details for score in others.gold),
        before=before(own),
        recovered=share,
        recovered_interval=around_share,
    )
    if gold is None:
        return found

    def half(score: Score, gaps: Sequence[float] | None) -> float | None:
        paired = gap_error(score, others.gold)
        if paired is None and of.unit == "%" and gaps is None and examples > 0:
            paired = math.hypot(*(binomial_error(share, examples) for share in (score.value, gold.mean)))
        return half_width(gold, gaps, paired or 0.0)

    own_half = half(own, resampled.own if resampled else None)
    original_half = half(others.original, resampled.original if resampled else None)
    return _beside(found, gold, policy, own_half, original_half or 0.0)


def _beside(found: Entry, gold: Gold, policy: Policy, own: float | None, original: float) -> Entry:
    """Return the entry with its gap to gold and what that means, by the half widths of its gap and the original's."""
    gap, spread = found.value - gold.mean, gold.spread
    asked = policy.bound(found.name, found.unit, found.kind, found.original - gold.mean)
    return replace(
        found,
        gold_mean=gold.mean,
        gold_spread=spread,
        gap=gap,
        gap_in_spreads=gap / spread if spread else None,
        interval=(gap - own, gap + own) if own is not None else None,
        bound=max(asked, gold.reach or 0.0),
        power=power(found.original, gold, asked, original),
        finding=finding(found.value, found.original, gold, asked, own or 0.0, original),
    )
