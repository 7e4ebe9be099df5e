"""KLoM: KL divergence of margins between models that were unlearned and models that never saw the forget set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.errors import InputError
from lethe.losses import margin

Direction = Literal["unlearned_oracle", "oracle_unlearned"]


def klom(
    unlearned: Tensor,
    oracles: Tensor,
    bins: int = 20,
    floor: float = 1e-5,
    clip: float = 100.0,
    direction: Direction = "unlearned_oracle",
    drop_maximum: bool = False,
) -> Tensor:
    """Return KL(p ‖ max(q, floor)) of two histograms of margins at every point, in nats.

    Both ensembles are counted in equal bins over their joint range at that point; where that range is empty, p = q.
    q is not renormalised after the floor.

    Args:
        unlearned: [N, n] margins of N unlearned models at n points.
        oracles: [M, n] margins of M retrained models.
        bins: number of bins.
        floor: smallest probability q may have where p is not 0.
        clip: margins are clipped to ± this.
        direction: p is unlearned and q oracle, or (as the first public benchmark calls it) the other way round.
        drop_maximum: leave the largest margin out of both histograms, as the official binning does; otherwise it
            counts in the last bin.

    Returns:
        [n] values, from about 0 (slightly below where the floor acts) to log(1/floor), less the entropy of p, for
        ensembles that never meet.

    Raises:
        InputError: a margin is not a number, or an ensemble is empty.

    Source: Georgiev et al. 2024, arXiv:2410.23232, appendix E.1; direction and floor as in arXiv:2602.16400.

    >>> round(klom(torch.zeros(4, 1), torch.ones(4, 1)).item(), 4)  # log(1e5)
    11.5129
    """
    if not len(unlearned) or not len(oracles):
        raise InputError("KLoM compares two ensembles and one is empty; give at least one model of each")
    first, second = unlearned.double().clamp(-clip, clip), oracles.double().clamp(-clip, clip)
    both = torch.cat([first, second])
    if bool(both.isnan().any()):
        raise InputError("KLoM met a margin that is not a number; leave out the model whose weights are not finite")
    low, high = both.amin(0), both.amax(0)
    if direction == "oracle_unlearned":
        first, second = second, first
    p, q = (_histogram(values, low, high, bins, drop_maximum) for values in (first, second))
    return torch.where(p > 0, p * (p.clamp_min(1e-300).log() - q.clamp_min(floor).log()), 0).sum(0)


def _histogram(values: Tensor, low: Tensor, high: Tensor, bins: int, drop_maximum: bool) -> Tensor:
    """Return the share of the values [N, n] in each bin, [bins, n]; 0 everywhere where no value is kept."""
    span = high - low
    width = torch.where(span > 0, span, 1.0) / bins
    index = ((values - low) / width).long().clamp_max(bins - 1)
    weight = (values < high if drop_maximum else torch.ones_like(values)).double()
    counts = values.new_zeros(bins, values.shape[1]).scatter_add(0, index, weight)
    return counts / counts.sum(0).clamp_min(1)


@dataclass(frozen=True, kw_only=True)
class KLoM(Metric):
    """KLoM: at each example, KL between the margins of unlearned and of retrained models, averaged over the forget set.

    The model and its siblings (the same method from other originals) are set against the golds. Histograms of a few
    models hardly overlap, so with less than some 20 of each the value nears its maximum for any method: compare it
    with the value of one half of the golds against the other, in the details.

    Args:
        bins: number of bins over the joint range of the margins at a point.
        floor: smallest probability the second histogram may have where the first is not 0.
        clip: margins are clipped to ± this.
        direction: which ensemble is the first of the divergence.
        drop_maximum: leave the largest margin out, as the official binning does.

    Source: Georgiev et al. 2024, arXiv:2410.23232, appendix E.1.
    """

    bins: int = 20
    floor: float = 1e-5
    clip: float = 100.0
    direction: Direction = "unlearned_oracle"
    drop_maximum: bool = False
    title: ClassVar[str] = "KLoM"
    unit: ClassVar[str] = "nats"
    kind: ClassVar[Literal["distance"]] = "distance"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"siblings", "two golds"})
    resample: ClassVar[bool] = False

    def compare(self, unlearned: Tensor, oracles: Tensor) -> Tensor:
        """Return KLoM with these settings, [n]."""
        return klom(unlearned, oracles, self.bins, self.floor, self.clip, self.direction, self.drop_maximum)

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean over the forget set; the details hold every set and how gold differs from gold."""
        unlearned, half = (rows, *against.siblings), len(against.gold) // 2
        details: dict[str, Any] = {"unlearned": len(unlearned), "oracles": len(against.gold)}
        for name in rows.sets:
            oracles = _margins(against.gold, name)
            values = self.compare(_margins(unlearned, name), oracles)
            split = self.compare(oracles[:half], oracles[half:])
            details[name] = {
                "mean": float(values.mean()),
                "quantile_95": float(values.quantile(0.95)),
                "oracle_halves": float(split.mean()),
            }
        return Score(details["forget"]["mean"], details)


def _margins(models: Sequence[Rows], name: str) -> Tensor:
    return torch.stack([margin(rows[name].logits.double(), rows[name].labels) for rows in models])
