"""Knowledge unlearning: ascent on whole sequences, until they are no better known than text the model never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds, losses
from lethe.errors import ConfigurationError
from lethe.feeds import Draw, Rows
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, pooled
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.tasks import CausalLM, as_causal_lm
from lethe.text.memorization import extraction_likelihoods, memorization_accuracies, require_length

BETAS = (0.9, 0.98)


@dataclass(frozen=True, kw_only=True)
class KnowledgeUnlearning(LanguageDescent):
    """Knowledge unlearning: min E_t[log p_θ(x_t | x_<t)] on the forget set, one step of Adam a pass, until forgotten.

    It ends after the first epoch in which the mean extraction likelihood EL_n and the mean memorization accuracy MA of
    the forget set are below those of the original on the holdout set, which it never saw. Few large steps are what
    spares the rest: each is taken on the whole forget set, which `micro_batch` cuts into parts that fit in memory.

    Args:
        batch_size: of no effect; a step sees the whole forget set, or the whole chunk.
        optimizer: `adam` is Adam with β = (0.9, 0.98).
        retain: the published method sees the forget set alone; another choice adds a retain term to it.
        ngram: n of EL_n.
        extraction_threshold: EL_n to fall below; none takes the original's mean over the holdout set (GPT-Neo 125M on
            the Pile: 0.0499).
        accuracy_threshold: MA to fall below; none takes the original's mean over the holdout set (GPT-Neo 125M on the
            Pile: 0.2994).
        chunk: sequential unlearning: forget so many examples at a time, one chunk after the other from where the last
            one ended; 0 forgets all at once.

    Source: Jang et al. 2022, arXiv:2210.01504.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"holdout"})
    aims: ClassVar[str] = "removal"

    epochs: int = 20
    learning_rate: float = 5e-5
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    retain: Literal["nll", "kl", "none"] = "none"
    ngram: int = 10
    extraction_threshold: float | None = None
    accuracy_threshold: float | None = None
    chunk: int = 0

    def check(self) -> None:
        """Raise ConfigurationError where chunks or n-grams make no sense, or adapters would be stacked on adapters."""
        super().check()
        if self.ngram < 1 or self.chunk < 0:
            raise ConfigurationError(
                f"ngram must be at least 1 and chunk not negative, not {self.ngram} and {self.chunk}"
            )
        if self.chunk and isinstance(self.scope, LoRA) and not self.scope.merge:
            raise ConfigurationError("each chunk begins where the last one ended: merge the adapters, scope.merge=true")

    def requirements(self) -> frozenset[str]:
        """The holdout set, unless both thresholds are given."""
        given = self.extraction_threshold is not None and self.accuracy_threshold is not None
        return super().requirements() - ({"holdout"} if given else frozenset())

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop on the whole forget set, or on one chunk after the other."""
        if not self.chunk:
            return super().unlearn(problem, run)
        self.check()
        extraction, accuracy = self.thresholds(problem, run)
        each = replace(self, chunk=0, extraction_threshold=extraction, accuracy_threshold=accuracy)
        model = problem.model
        for i, rows in enumerate(torch.arange(len(problem.forget)).split(self.chunk)):
            left = replace(problem, model=model, forget=problem.forget.take(rows))
            model = each.unlearn(left, run.part(f"chunk {i}"))
        return model

    def start(self, problem: Problem, run: Run) -> nn.Module:
        """Return a copy of the original without dropout, which the method trains without."""
        model = super().start(problem, run)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        return model

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One step on the whole forget set."""
        feed = feeds.forget_pass if self.retain == "none" else feeds.beside
        return feed(problem, run, epoch, len(problem.forget))

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the log-likelihood of each forget sequence."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            return pooled(losses.token_log_probs(task.outputs(model, batch), task.targets(batch)), task, batch)

        return term

    def thresholds(self, problem: Problem, run: Run) -> tuple[float, float]:
        """Return the EL_n and the MA to fall below: those given, else the original's means over the holdout set."""
        task = as_causal_lm(problem.task, type(self).__name__)
        extraction, accuracy = self.extraction_threshold, self.accuracy_threshold
        if extraction is None:
            assert problem.holdout is not None
            extraction = float(extraction_likelihoods(problem.model, task, problem.holdout, self.ngram, run).mean())
        if accuracy is None:
            assert problem.holdout is not None
            accuracy = float(memorization_accuracies(problem.model, task, problem.holdout, run).mean())
        return extraction, accuracy

    def enough(self, problem: Problem, run: Run) -> Callable[[nn.Module], bool]:
        """Return whether both means over the forget set are below the thresholds."""
        task = as_causal_lm(problem.task, type(self).__name__)
        require_length(problem.forget, self.ngram)
        extraction, accuracy = self.thresholds(problem, run)

        def forgotten_enough(model: nn.Module) -> bool:
            # The cheap one first: as long as it fails, nothing is generated.
            if float(memorization_accuracies(model, task, problem.forget, run).mean()) >= accuracy:
                return False
            return float(extraction_likelihoods(model, task, problem.forget, self.ngram, run).mean()) < extraction

        return forgotten_enough

    def _own_optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        if self.optimizer != "adam":
            return super()._own_optimizer(weights)
        return torch.optim.Adam(weights, lr=self.learning_rate, betas=BETAS, weight_decay=self.weight_decay)
