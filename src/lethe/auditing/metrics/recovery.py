"""Recovery without training: what a linear map brings back out of the model's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.auditing.metric import Metric, References, Rows, Score, SetRows


@dataclass(frozen=True)
class FeatureMapping(Metric):
    """Forget accuracy after mapping the model's features onto the original's and reading them with its head (FM).

    W* = argmin_W Σ_{x in D_r} ‖W f_u(x) - f_0(x)‖², predictions g_0(W* f_u(x)), by least squares of minimum norm.
    High beside gold: the outputs changed, the knowledge is still in the features. Features that are all zero are
    out of reach of W, so the details hold the accuracy `with_bias` and `without_bias`, whichever is the value.

    Args:
        bias: map with a constant added, W f_u(x) + b; the published attack has none.

    Source: OPC, arXiv:2507.07754 (the data the map is fitted on is not stated there; here the retain set).
    """

    bias: bool = False

    title: ClassVar[str] = "Feature mapping"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["recovery"]] = "recovery"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the recovered forget accuracy, between 0 and 1."""
        target = against.original["retain"].features
        recovered = {name: _mapped_accuracy(rows, target, against.original.head, name == "with_bias") for name in _FM}
        return Score(recovered["with_bias" if self.bias else "without_bias"], recovered)


_FM = ("without_bias", "with_bias")


@dataclass(frozen=True)
class HeadRecovery(Metric):
    """Forget accuracy after refitting the last layer on the retain set by least squares (HR).

    (W*, b*) = argmin Σ_{x in D_r} ‖W f_u(x) + b - onehot(y)‖². A class that is forgotten entirely does not occur in
    D_r and cannot come back this way: the metric then has no power, and feature mapping is the one to read.

    Source: OPC, arXiv:2507.07754 (the targets of the refit are inferred: the labels).
    """

    title: ClassVar[str] = "Head recovery"
    unit: ClassVar[str] = "%"
    kind: ClassVar[Literal["recovery"]] = "recovery"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    resample: ClassVar[bool] = False

    def __call__(self, rows: Rows, against: References, seed: int = 0) -> Score:
        """Return the recovered forget accuracy, between 0 and 1; `holdout` holds that of unseen examples."""
        known = rows["retain"]
        target = F.one_hot(known.labels, known.logits.shape[1]).double()
        weight = least_squares(with_ones(known.features), target)
        details: dict[str, Any] = {}
        if "holdout" in rows.sets:
            details["holdout"] = _accuracy(with_ones(rows["holdout"].features) @ weight, rows["holdout"])
        return Score(_accuracy(with_ones(rows["forget"].features) @ weight, rows["forget"]), details)


def least_squares(inputs: Tensor, targets: Tensor) -> Tensor:
    """Return argmin_W ‖inputs W - targets‖² of minimum norm.

    Args:
        inputs: [N, D] float64.
        targets: [N, E] float64.

    Returns:
        [D, E]; finite also where columns are zero or linearly dependent, as after a ReLU.

    >>> inputs, targets = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[3.0], [6.0]])
    >>> [round(abs(weight), 6) for weight in least_squares(inputs.double(), targets.double()).flatten().tolist()]
    [3.0, 0.0]
    """
    # The default driver assumes full rank; dead units are the rule here.
    return torch.linalg.lstsq(inputs, targets, driver="gelsd").solution


def with_ones(features: Tensor) -> Tensor:
    """Return the features with a constant column, [N, D + 1] float64."""
    return torch.cat([features.double(), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)


def _mapped_accuracy(rows: Rows, target: Tensor, head: tuple[Tensor, Tensor | None], bias: bool) -> float:
    def entering(part: SetRows) -> Tensor:
        return with_ones(part.features) if bias else part.features.double()

    mapping = least_squares(entering(rows["retain"]), target.double())
    weight, constant = head
    logits = entering(rows["forget"]) @ mapping @ weight.cpu().double().T
    return _accuracy(logits + constant.cpu().double() if constant is not None else logits, rows["forget"])


def _accuracy(logits: Tensor, part: SetRows) -> float:
    return (logits.argmax(-1) == part.labels).double().mean().item()
