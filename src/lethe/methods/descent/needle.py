"""Needle: noise on the one value vector that means the concept, then descent on that vector alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Scope, ValueVectors
from lethe.tasks import CausalLM, Task, as_causal_lm
from lethe.tasks.value_vectors import value_matrices


@dataclass(frozen=True, kw_only=True)
class Needle(GradientAscent):
    """Needle: v ← v + N(0, σ²) for the value vector v of a concept, then gradient ascent on the forget set in v alone.

    An oracle that ConceptVectors compares others with: where the vector is known, removing it is enough. Whatever
    optimiser moves, all other weights keep their bits.

    Args:
        layer: number of the block the vector stands in, from 0; -1 takes the vector that writes most of the forget
            answers.
        unit: its unit in the MLP, `Dim` in the benchmark's files; -1 with a layer of -1.
        noise: σ.
        relative: read σ as a multiple of the standard deviation of the vector's own coordinates; 0.1 belongs to the
            scale of Llama 2, and small models have another.
        weight_decay: the published run decays the vector as well, by 0.01.

    Source: Hong et al. 2024, arXiv:2406.11614, section 5.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)
    intent: ClassVar[str] = "concept"

    layer: int = -1
    unit: int = -1
    noise: float = 0.1
    relative: bool = False
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 0.2
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    weight_decay: float = 0.0

    def check(self) -> None:
        """Raise ConfigurationError where the noise is negative or the vector is half named."""
        super().check()
        if self.noise < 0:
            raise ConfigurationError(f"noise must not be negative, not {self.noise}; 0 leaves it out")
        if (self.layer < 0) != (self.unit < 0):
            raise ConfigurationError("layer and unit name a value vector together; give both or neither")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Choose the vector where none is named, and run the loop on it."""
        self.check()
        if self.layer >= 0:
            return super().unlearn(problem, run)
        [(layer, unit)] = ValueVectors().choose(problem, run)
        return replace(self, layer=layer, unit=unit).unlearn(problem, run)

    def reach(self) -> Scope:
        """Return the vector, and no more of the user's scope than that."""
        return ValueVectors(self.layer, self.unit) & self.scope

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return a copy of the original with noise on the vector."""
        model = copied(problem.model)
        matrices = value_matrices(as_causal_lm(problem.task, type(self).__name__), model)
        if self.layer >= len(matrices):
            raise ConfigurationError(f"layer {self.layer}: the model has the blocks 0 to {len(matrices) - 1}")
        vector = matrices[self.layer].vector(self.unit)
        scale = self.noise * (float(vector.float().std()) if self.relative else 1.0)
        drawn = torch.randn(vector.shape, generator=run.generator("noise")) * scale
        vector += drawn.to(vector)
        return model
