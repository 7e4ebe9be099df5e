"""Targets: which wrong answer each forget example is taught, found on the original model once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.run import Run
from lethe.tasks import Classification

LEVELS = 255  # an image is stored in steps of 1/255: an attack between the steps would not survive being saved


@dataclass(frozen=True)
class Attack:
    """An untargeted ℓ∞ attack in pixel space: x' = clip(x + ε sign ∇_x CE(f(x), y)), or the same in small steps.

    Args:
        kind: `fgsm` takes one step of length ε, `pgd` takes `steps` of `step_size`, without a random start.
        epsilon: radius ε of the ball, in pixel units [0, 1].
        step_size: length of a PGD step.
        steps: number of PGD steps.

    Source: Goodfellow et al. 2015, arXiv:1412.6572; Madry et al. 2018, arXiv:1706.06083.
    """

    kind: Literal["fgsm", "pgd"] = "fgsm"
    epsilon: float = 0.1
    step_size: float = 8 / 255
    steps: int = 5

    def __call__(self, model: nn.Module, task: Classification, batch: Batch) -> Tensor:
        """Return adversarial pixels, [B, ...] in [0, 1] and in steps of 1/255; the model is in eval mode."""
        clean, labels = task.pixels(batch), task.labels(batch)
        adversarial = clean
        length, count = (self.epsilon, 1) if self.kind == "fgsm" else (self.step_size, self.steps)
        for _ in range(count):
            with torch.enable_grad():
                pixels = adversarial.detach().requires_grad_(True)
                loss = F.cross_entropy(task.logits(model, task.normalise(pixels)), labels, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, pixels)
            adversarial = adversarial.detach() + length * gradient.sign()
            adversarial = clean + (adversarial - clean).clamp(-self.epsilon, self.epsilon)
            adversarial = adversarial.clamp(0.0, 1.0)
        return (adversarial * LEVELS).round() / LEVELS


def adversarial_outputs(model: nn.Module, task: Classification, examples: Examples, attack: Attack, run: Run) -> Tensor:
    """Return the model's logits on the attacked examples, [N, C], in order.

    Raises:
        InputError: the pixels do not lie in [0, 1], so that ε would have no meaning.
    """
    pixels = task.pixels(examples.batch(torch.arange(len(examples))))
    if float(pixels.min()) < 0 or float(pixels.max()) > 1:
        raise InputError(
            f"the inputs reach from {float(pixels.min()):.3g} to {float(pixels.max()):.3g} but pixels lie in [0, 1]; "
            "bring them there with Classification(scale=...)"
        )

    def attacked(model: nn.Module, batch: Batch) -> Tensor:
        return task.logits(model, task.normalise(attack(model, task, batch)))

    return over_examples(model, task, examples, run, attacked, "nearest classes")


def nearest_classes(logits: Tensor, labels: Tensor, exclude_true: bool) -> Tensor:
    """Return the class each example has crossed into, [N]: the most likely one, or the most likely one but y.

    Args:
        logits: [N, C] on the attacked examples.
        labels: [N] true classes y.
        exclude_true: leave y out; with y a failed attack would teach the class that is to be forgotten.

    >>> logits = torch.tensor([[3.0, 2.0, 1.0], [0.0, 5.0, 1.0]])
    >>> nearest_classes(logits, torch.tensor([0, 0]), True), nearest_classes(logits, torch.tensor([0, 0]), False)
    (tensor([1, 1]), tensor([0, 1]))
    """
    if exclude_true:
        logits = logits.scatter(1, labels.unsqueeze(1), float("-inf"))
    return logits.argmax(1)
