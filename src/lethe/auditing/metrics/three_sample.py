"""The three-sample test: whether answers on the forget set are closer to gold's or to the original's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.contrast import Contrast, contrast
from lethe.auditing.estimates import Divergence, Estimate, chi_squared, hockey_stick, joined, mmd
from lethe.auditing.kernels import Pair, bandwidths, pair
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.signals import log_probability
from lethe.auditing.two_sample import two_sample_test
from lethe.auditing.vectors import standardised
from lethe.errors import InputError
from lethe.run import Run

ENOUGH = 100  # examples below which the normal approximation is reported as rough


@dataclass(frozen=True, kw_only=True)
class ThreeSampleTest(Metric):
    """Relative three-sample test: the p-value that the model is closer to the original than to gold.

    Two honest retrainings differ, so a test of equality with gold rejects everybody. This one asks which of the two
    references the answers on the forget set are closer to, in a kernel divergence D: a small value says that the
    unlearning failed, gold itself gets values near 1, and about 1/2 says that the references cannot be told apart.
    A model far from both is not judged by it: look at both distances in the details.

    T = mean_k D(model, gold_k) - D(model, original) on the same inputs for all, with the variance of paired samples,
    aggregated over bandwidths (and λ, ε) by a joint multiplier bootstrap.

    Args:
        statistic: the divergence: `mmd`, `chi_squared`, or `hockey_stick`, the one of differential privacy (solved
            by iteration: seconds at 130 examples, a minute at 500).
        quantiles: bandwidths, as quantiles of the distances in the pooled sample.
        regularisation: values of λ, for the two f-divergences.
        epsilons: values of ε, for the hockey-stick divergence.
        paired: use the variance of the same inputs; without it, that of independent samples, which is too large.
        draws: bootstrap draws and permutations.
        examples: most forget examples looked at, drawn with the seed: the cost grows with the square.
        smallest_group: fewest examples a subgroup is tested on.

    Source: Bounliphone et al. 2016, arXiv:1511.04581 (relative MMD); Ribero, Schrab and Gretton 2026,
    arXiv:2601.19755 (relative tests of unlearning, f-divergences).
    """

    statistic: Literal["mmd", "chi_squared", "hockey_stick"] = "mmd"
    quantiles: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    regularisation: tuple[float, ...] = (1.0, 0.1, 0.01)
    epsilons: tuple[float, ...] = (0.0, 0.6931471805599453)
    paired: bool = True
    draws: int = 500
    examples: int = 500
    smallest_group: int = 25
    title: ClassVar[str] = "Relative test (p)"
    kind: ClassVar[Literal["forgetting"]] = "forgetting"
    needs: ClassVar[frozenset[str]] = frozenset({"gold"})
    resample: ClassVar[bool] = False

    @abstractmethod
    def compared(self, rows: Rows) -> Tensor:
        """Return what is compared of each forget example, [N, d] float64."""

    def groups(self, rows: Rows, chosen: Tensor) -> Mapping[str, Iterator[tuple[int, Tensor]]]:
        """Return further ways to part the chosen forget examples: to each a name, and groups with their positions."""
        return {}

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the aggregated p-value; the details hold the reverse one, each kernel, two-sample tests, subgroups.

        Raises:
            InputError: there are fewer than two forget examples.
        """
        run, models, count = Run(seed=seed), (rows, against.original, *against.gold), rows.counts["forget"]
        if count < 2:
            raise InputError("the relative test compares samples; name at least 2 examples to forget, better 100")
        chosen = torch.randperm(count, generator=run.generator("examples"))[: self.examples].sort().values
        raw = [self.compared(model)[chosen] for model in models]
        seen, *others = standardised(raw, raw[2:])
        widths = bandwidths(torch.cat([seen, *others]), self.quantiles)
        to_original, *to_gold = (pair(seen, other, widths, self.paired) for other in others)
        settings, divergences = zip(*self._divergences(), strict=True)
        near = [joined([divergence(p) for divergence in divergences]) for p in to_gold]
        far = joined([divergence(to_original) for divergence in divergences])
        found = contrast(near, [far], self.paired)
        verdict = self._verdict(found, run, "all")
        named = dict(zip(("original", *(f"gold {k}" for k in range(len(to_gold)))), others, strict=True))
        every = [{"bandwidth": float(width), **setting} for setting in settings for width in widths]
        details = {
            **verdict,
            "examples": len(chosen),
            "rough": len(chosen) < ENOUGH,
            "identical": [name for name, other in named.items() if torch.equal(seen, other)],
            "kernels": _by_kernel(every, near, far, found),
            "two_sample": {
                name: two_sample_test(seen, other, run.generator(name), self.quantiles, self.draws, self.paired)
                for name, other in named.items()
            },
            "by_memorisation": self._by_group(self._memorised(models, chosen), to_gold, to_original, run),
        }
        for way, groups in self.groups(rows, chosen).items():
            details[way] = self._by_group(groups, to_gold, to_original, run)
        return Score(verdict["p_closer_to_original"], details)

    def resolution(self, rows: Rows) -> float:
        """Return the step of the bootstrap p-value."""
        return 1 / (self.draws + 1)

    def _divergences(self) -> Iterator[tuple[Mapping[str, float], Divergence]]:
        """Yield the settings of the statistic beside its bandwidth, and the statistic with them."""
        if self.statistic == "mmd":
            yield {}, mmd
            return
        for strength in self.regularisation:
            if self.statistic == "chi_squared":
                yield {"regularisation": strength}, partial(chi_squared, regularisation=strength)
                continue
            for epsilon in self.epsilons:
                divergence = partial(hockey_stick, regularisation=strength, epsilon=epsilon)
                yield {"regularisation": strength, "epsilon": epsilon}, divergence

    def _verdict(self, found: Contrast, run: Run, name: str) -> dict[str, float]:
        """Return the p-values of both directions, from the same draws."""
        return {
            "p_closer_to_original": found.p_value(run.generator("bootstrap", name), self.draws),
            "p_closer_to_gold": found.reversed().p_value(run.generator("bootstrap", name), self.draws),
        }

    def _memorised(self, models: Sequence[Rows], chosen: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield rows in up to ten equal groups by how much the original knows that gold does not, least first."""
        _, original, *golds = (log_probability(model, "forget")[chosen] for model in models)
        gap = original - torch.stack(golds).mean(0)
        count = max(1, min(10, len(chosen) // self.smallest_group))
        yield from enumerate(gap.argsort(stable=True).tensor_split(count))

    def _by_group(
        self, groups: Iterator[tuple[int, Tensor]], to_gold: Sequence[Pair], to_original: Pair, run: Run
    ) -> list[dict[str, float]]:
        """Return the verdict on each group that is large enough; always by MMD, which a small sample bears."""
        found: list[dict[str, float]] = []
        for name, rows in groups:
            if len(rows) >= self.smallest_group:
                one = contrast([mmd(p.at(rows)) for p in to_gold], [mmd(to_original.at(rows))], self.paired)
                found.append({"group": name, "examples": len(rows), **self._verdict(one, run, f"group {name}")})
        return found


def _by_kernel(
    settings: Sequence[Mapping[str, float]], near: Sequence[Estimate], far: Estimate, found: Contrast
) -> list[dict[str, float]]:
    """Return each kernel's settings, both divergences, their difference T and its p-value alone."""
    to_gold = torch.stack([estimate.value for estimate in near]).mean(0)
    columns = zip(settings, to_gold.tolist(), far.value.tolist(), found.p_values.tolist(), strict=True)
    return [
        {**setting, "to_gold": gold, "to_original": original, "t": gold - original, "p_closer_to_original": p}
        for setting, gold, original, p in columns
    ]
