"""Linear probes: read the answers from the hidden states of each layer with a linear map fitted on other data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.auditing.attacks.latent import States, answer_states
from lethe.auditing.attacks.linear_maps import fitted
from lethe.auditing.attacks.regained import Regaining, victim
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError
from lethe.problem import Problem
from lethe.run import Run


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Regaining):
    """How often a linear map of a layer's states finds the answer's next token, or the label, of the forget set.

    For each layer a ridge regression to the tokens (labels) of the retain or holdout set, fitted on the model's own
    states there: (XᵀX + ridge·N·I)⁻¹ Xᵀ Y, X standardised. The value is the accuracy on the forget set of the best
    layer. States that still tell the answers of the forget set, where the model no longer says them, betray it; gold
    shows how much of that is chance and likeness. A token or class that does not occur in the data cannot be found:
    `coverage` in the details is the share that does. `chance` is the best layer's accuracy with shuffled targets, and
    accuracy minus chance the selectivity.

    Args:
        measure: `accuracy`, nothing else.
        data: the set to fit on, `retain` or `holdout`. Where a whole class is forgotten, only the holdout holds it.
        known: most examples of it that are read.
        places: most places (tokens of answers) that are kept of either set.
        ridge: strength of the penalty.

    Source: Alain and Bengio 2016, arXiv:1610.01644; as a test of unlearning Lynch et al. 2024, arXiv:2402.16835
    (test 6), selectivity with shuffled targets Hewitt and Liang 2019, arXiv:1909.03368.
    """

    measure: Literal["accuracy"] = "accuracy"
    data: Literal["retain", "holdout"] = "retain"
    known: int = 400
    places: int = 2000
    ridge: float = 1e-2

    title: ClassVar[str] = "Linear probe"

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.known, self.places) < 1 or self.ridge <= 0:
            raise ConfigurationError("known and places must be at least 1, and ridge above 0")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]  # it depends on the data that are named
        """The set that is fitted on."""
        return frozenset({self.data})

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the accuracy of the best layer, with that of each as the curve [number of the layer, accuracy]."""
        start, task = time.perf_counter(), problem.task
        problem.require(self.needs, self.title)
        data = problem.kept if self.data == "retain" else problem.holdout
        assert data is not None
        attacked = victim(model, run)
        known = answer_states(attacked, task, data.sample(self.known, run.generator("probed")), self.places, run)
        examples = self.sample(problem.forget, run)
        asked = answer_states(attacked, task, examples, self.places, run)
        hits = {name: self._hits(name, known, asked, known.targets) for name in known.layers}
        accuracies = {name: float(found.double().mean()) for name, found in hits.items()}
        best = max(accuracies, key=lambda name: accuracies[name])
        shuffled = known.targets[torch.randperm(len(known.targets), generator=run.generator("shuffled targets"))]
        return self.score(
            asked.by_example(hits[best]),
            asked.by_example(asked.hits),
            list(enumerate(accuracies.values(), start=1)),
            start,
            examples,
            {"examples": min(self.known, len(data)), "places": len(known.targets)},
            layer=best,
            layers=list(accuracies),
            coverage=float(torch.isin(asked.targets, known.targets).double().mean()),
            chance=float(self._hits(best, known, asked, shuffled).double().mean()),
        )

    def _hits(self, layer: str, known: States, asked: States, targets: Tensor) -> Tensor:
        """Return at which places the map from the known states to the targets finds what is asked, [n]."""
        classes, index = targets.unique(return_inverse=True)
        scores = fitted(known.layers[layer], index, len(classes), self.ridge)(asked.layers[layer])
        return classes[scores.argmax(1)] == asked.targets
