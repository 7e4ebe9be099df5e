"""Oracle matching: how far the model's outputs are from the mean outputs of models retrained without the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lethe.auditing.metric import Metric, References, Rows, Score
from lethe.tasks import CausalLM, Classification, Task


@dataclass(frozen=True)
class OracleMatching(Metric):
    """Mean squared difference of outputs from the oracle, the mean of gold models, over the forget set.

    1/N Σ_i ‖f(x_i) - 1/K Σ_k f_k(x_i)‖² / C over logits (C of them, centred, since a constant added to all of them
    changes no prediction), or over the log-probabilities of an answer's tokens: the loss that Oracle Matching, the
    idealised form of datamodel matching, minimises. Gold is measured against the other gold models: what is left there
    is the noise of retraining, which no method can go below. `of_original` in the details is the share of the
    original's distance, and every set has its own value, so that damage to what was kept shows.

    Source: Georgiev et al. 2024, Attribute-to-Delete, arXiv:2410.23232, section 4 (Oracle Matching).
    """

    title: ClassVar[str] = "Oracle matching"
    kind: ClassVar[Literal["distance"]] = "distance"
    goal: ClassVar[Literal["min"]] = "min"
    needs: ClassVar[frozenset[str]] = frozenset({"gold"})
    tasks: ClassVar[tuple[type[Task], ...]] = (Classification, CausalLM)
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the mean on the forget set; the details hold it by set, and beside the original's."""
        found = {name: oracle_distance(rows, against.gold, name) for name in rows.counts}
        original = oracle_distance(against.original, against.gold, "forget")
        share = {"of_original": found["forget"] / original} if original > 0 else {}
        return Score(found["forget"], {**found, **share, "oracles": len(against.gold)})


def oracle_distance(rows: Rows, gold: Sequence[Rows], part: str) -> float:
    """Return the mean squared difference between a model's outputs and the mean of gold's on one set."""
    oracle = torch.stack([_outputs(one, part) for one in gold]).mean(0)
    return float((_outputs(rows, part) - oracle).square().mean())


def _outputs(rows: Rows, part: str) -> Tensor:
    """Return centred logits [N, C], or log-probabilities of all answers' tokens [n], float64."""
    if part in rows.texts:
        return rows.texts[part].log.log_probs
    logits = rows[part].logits.double()
    return logits - logits.mean(1, keepdim=True)
