"""A shadow class: one output more while a model learns to send what it forgets there, and none afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Mask, Scope
from lethe.tasks import Classification, as_classification


@dataclass(frozen=True)
class Shadowed(Scope):
    """What the mask of the original allows, and the whole of the shadow class.

    Args:
        original: the mask on the model without the shadow class.
    """

    original: Mask

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask with a free row added to those of the head."""
        allowed = dict(self.original.allowed)
        name, head = _head(problem.model, as_classification(problem.task, "a shadow class"))
        for own, parameter in head.named_parameters(prefix=name):
            flags = torch.ones(parameter.shape, dtype=torch.bool, device=parameter.device)
            flags[:-1] = allowed.get(own, False)
            allowed[own] = flags
        return Mask(allowed)


def _head(model: nn.Module, task: Classification) -> tuple[str, nn.Linear]:
    """Return the head's name and itself; raises ConfigurationError where a row cannot be added to it."""
    head = task.head(model)
    if not isinstance(head, nn.Linear):
        raise ConfigurationError(
            f"the head is a {type(head).__name__}, to which no class can be added; name the last linear layer "
            "with Classification(head_name=...)"
        )
    return next(name for name, module in model.named_modules() if module is head), head


def with_shadow_class(model: nn.Module, task: Classification, generator: torch.Generator) -> nn.Module:
    """Return a copy of the model with one class more: its first C logits are the model's own, to the bit."""
    expanded = copied(model)
    name, head = _head(expanded, task)
    wide = nn.utils.skip_init(
        nn.Linear, head.in_features, head.out_features + 1, bias=head.bias is not None, device="cpu"
    )
    nn.init.xavier_normal_(wide.weight, generator=generator)
    wide = wide.to(head.weight)
    with torch.no_grad():
        wide.weight[:-1] = head.weight
        if head.bias is not None:
            wide.bias[:-1] = head.bias
            wide.bias[-1] = 0.0
    if not name:  # the model is its head and nothing else
        return wide
    expanded.set_submodule(name, wide)
    return expanded


@torch.no_grad()
def without_shadow_class(expanded: nn.Module, original: nn.Module) -> nn.Module:
    """Return a model like the original with the weights and buffers of the expanded one, the last class cut off."""
    model = copied(original)
    own = model.state_dict(keep_vars=True)
    for name, value in expanded.state_dict().items():
        own[name].copy_(value if own[name].shape == value.shape else value[:-1])
    return model.eval()
