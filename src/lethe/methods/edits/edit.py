"""Edit: a method that computes new weights in one go, within a scope."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.errors import Diverged
from lethe.methods.base import Method
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import All, Scope
from lethe.state_arithmetic import with_weights


@dataclass(frozen=True, kw_only=True)
class Edit(Method):
    """A method that replaces weights without an optimiser: subclasses say by what.

    Args:
        scope: the weights that may change; the others keep their bits.
    """

    aims: ClassVar[str] = "removal"

    scope: Scope = field(default_factory=All)

    @abstractmethod
    def edited(self, problem: Problem, run: Run) -> Mapping[str, Tensor]:
        """Return new values by parameter name; a parameter that is not named stays as it is."""

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return a copy of the model with the edited weights inside the scope; buffers stay as they are."""
        self.check()
        before = dict(problem.model.named_parameters())
        allowed = self.scope.mask(problem, run).allowed
        values = {}
        for name, value in self.edited(problem, run).items():
            if not bool(torch.isfinite(value).all()):
                raise Diverged(f"the edited weights '{name}' hold a NaN or an infinity; choose a smaller edit")
            flag = allowed.get(name, False)
            inside = flag.to(value.device) if isinstance(flag, Tensor) else torch.tensor(flag, device=value.device)
            values[name] = torch.where(inside, value.to(before[name].dtype), before[name].detach())
        return with_weights(problem.model, values).eval()
