"""RMIA: membership inference that sets each example beside the whole population, with gold models as reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.inference import auc, found_at
from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.auditing.metrics.signals import log_probability
from lethe.errors import ConfigurationError
from lethe.tasks import CausalLM, Classification, Task


def rmia_scores(
    model: Tensor,
    references: Tensor,
    population: Tensor,
    population_references: Tensor,
    gamma: float = 2.0,
    offline: float = 0.3,
) -> Tensor:
    """Return how much of the population each example is likelier than, [N] in [0, 1].

    score(x) = Pr_z[ (p(x|θ) / p(x)) / (p(z|θ) / p(z)) ≥ γ ], with p(x) = ½ ((1 + a) mean_k p(x|θ_k) + 1 - a): the mean
    over reference models that did not see x, moved towards what models that saw it would give.

    Args:
        model: [N] log p(x|θ).
        references: [K, N] log p(x|θ_k).
        population: [M] log p(z|θ).
        population_references: [K, M] log p(z|θ_k).
        gamma: γ, at least 1.
        offline: a in [0, 1]; 1 takes the mean of the reference models as it is.

    Raises:
        ConfigurationError: γ or a is out of range.

    Source: Zarifzadeh et al. 2024, arXiv:2312.03262, equations 4 and 10 (offline form); defaults as there for CIFAR-10.

    >>> log = lambda *p: torch.tensor(p).double().log()
    >>> rmia_scores(log(0.9, 0.3), log(0.3, 0.3)[None], log(0.4, 0.1), log(0.4, 0.1)[None], 2.0, 1.0).tolist()
    [1.0, 0.0]
    """
    if gamma < 1 or not 0 <= offline <= 1:
        raise ConfigurationError(f"RMIA takes gamma at least 1 and offline in [0, 1], not {gamma} and {offline}")
    own = log_ratio(model, references, offline)
    others = log_ratio(population, population_references, offline).sort().values
    limit = own - torch.tensor(gamma, dtype=torch.float64).log()
    # A hair of room: ratios that are equal by construction must not be told apart by rounding.
    return torch.searchsorted(others, limit + 1e-12, right=True).double() / len(others)


def log_ratio(model: Tensor, references: Tensor, offline: float = 0.3) -> Tensor:
    """Return log p(x|θ) / p(x) of each example, [N], from log p(x|θ) [N] and log p(x|θ_k) [K, N]."""
    mean = references.double().exp().mean(0)
    return model - torch.log(((1 + offline) * mean + 1 - offline).clamp_min(1e-300) / 2)


@dataclass(frozen=True, kw_only=True)
class RMIA(Metric):
    """AUC of the robust membership attack, forget set against holdout: 1/2 where the forget set looks unseen.

    Each example's probability, over what models that did not see it give it (gold), is compared with the same ratio of
    every holdout example. An example that is easy for everybody has no high score, as it has with the loss alone.
    The score rises with the example's own ratio and with nothing else, so that the AUC is taken of the ratio: scores
    are shares of the holdout and tie where no holdout example is hard, as of models that generalise well.

    Args:
        gamma: γ, how many times likelier an example has to be than one of the population.
        offline: a, how near gold's mean comes to the mean over models that saw an example and that did not.

    Source: Zarifzadeh et al. 2024, arXiv:2312.03262, equations 4 and 10, with gold as reference models and the holdout
    as population.
    """

    gamma: float = 2.0
    offline: float = 0.3
    title: ClassVar[str] = "RMIA"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["privacy"]] = "privacy"
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)
    needs: ClassVar[frozenset[str]] = frozenset({"holdout", "gold"})

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the AUC; the details hold the share of the forget set found where few holdout examples are accused."""
        known = {part: (log_probability(rows, part), _of(against.gold, part)) for part in ("forget", "holdout")}
        # Rounded: examples that are alike by construction must tie.
        ratios = {part: log_ratio(own, seen, self.offline).round(decimals=9) for part, (own, seen) in known.items()}
        members, outsiders = (
            rmia_scores(*known[part], *known["holdout"], self.gamma, self.offline) for part in ("forget", "holdout")
        )
        found = {f"{rate:g}": found_at(members, outsiders, rate) for rate in (0.01, 0.05)}
        return Score(auc(ratios["forget"], ratios["holdout"]), {"found_at_false_alarms": found})


def _of(models: Sequence[Rows], part: str) -> Tensor:
    return torch.stack([log_probability(one, part) for one in models])
