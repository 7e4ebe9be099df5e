"""Class bias: whether a classifier prefers some classes, by the length of their prototypes or by their angle."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.losses import cosines
from lethe.measuring import over_examples
from lethe.run import Run
from lethe.tasks import Classification


@dataclass(frozen=True)
class Side:
    """What the last layer gives some of the classes, mean over these classes and all examples.

    Attributes:
        share: of all predictions that name one of them; fair is their share of the examples.
        length: ‖w_c‖ of their prototypes.
        cosine: cos θ_c, whichever class an example is of.
        logit: h · w_c, without bias.
    """

    share: float
    length: float
    cosine: float
    logit: float


@dataclass(frozen=True, eq=False)
class ClassBias:
    """The classes asked about beside all others.

    Attributes:
        chosen: the classes asked about, as the newest of a stream or those that were forgotten.
        others: all other classes.
        confusion: [C, C] number of examples by label (row) and prediction (column).
    """

    chosen: Side
    others: Side
    confusion: Tensor


def class_bias(
    model: nn.Module, task: Classification, examples: Examples, chosen: Collection[int], run: Run
) -> ClassBias:
    """Return how the last layer treats some classes, by the factors of z_c = ‖h‖ ‖w_c‖ cos θ_c.

    Args:
        model: a classifier whose last layer is linear, on the run's device.
        task: how it is fed.
        examples: what it predicts, of all classes alike.
        chosen: the classes asked about, some but not all.
        run: device and progress.

    Raises:
        InputError: the head is not linear, or the classes are none, all, or not the model's.

    Source: the decomposition of UER, Lin et al. 2023, arXiv:2309.04081.
    """
    head = task.head(model)
    if not isinstance(head, nn.Linear):
        raise InputError(f"the head is a {type(head).__name__}, and class bias is read of a linear one")
    asked = sorted(set(chosen))
    if not asked or len(asked) >= task.classes or asked[0] < 0 or asked[-1] >= task.classes:
        raise InputError(f"ask about some of the classes 0 to {task.classes - 1}, not {asked}")
    prototypes, width = head.weight.detach(), head.in_features

    def read(model: nn.Module, batch: Batch) -> Tensor:
        outputs, features = task.outputs_and_features(model, batch)
        return torch.cat([features, outputs], 1)

    features, outputs = over_examples(model, task, examples, run, read, "class bias").split([width, task.classes], 1)
    weights, said, labels = prototypes.cpu(), outputs.argmax(1), examples.tensor(task.label).long()
    angles, logits = cosines(features, weights), features @ weights.T
    mine = torch.zeros(task.classes, dtype=torch.bool).index_fill(0, torch.tensor(asked), True)

    def side(classes: Tensor) -> Side:
        return Side(
            share=float(classes[said].double().mean()),
            length=float(torch.linalg.vector_norm(weights[classes], dim=1).mean()),
            cosine=float(angles[:, classes].mean()),
            logit=float(logits[:, classes].mean()),
        )

    pairs = torch.bincount(labels * task.classes + said, minlength=task.classes**2)
    return ClassBias(side(mine), side(~mine), pairs.view(task.classes, task.classes))
