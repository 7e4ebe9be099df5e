"""Truth probe: can a linear map tell a true answer from a wrong one in the hidden states of a layer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe import hooks
from lethe.auditing.attacks.linear_maps import fitted
from lethe.auditing.attacks.regained import Regaining, victim
from lethe.auditing.metric import Score
from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.measuring import over_examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_causal_lm
from lethe.tasks.causal_lm import LENGTH

PARAPHRASED, WRONG = "paraphrased_answer", "perturbed_answer"


@dataclass(frozen=True, kw_only=True)
class TruthProbe(Regaining):
    """How well a linear map of a layer's states tells true answers of the forget set from wrong ones.

    For each layer a ridge regression to right and wrong, on the state at the end of every answer of the retain set and
    at the end of a wrong answer to the same prompt. The value is the accuracy on the forget set, true and wrong answers
    alike, of the best layer; 0.5 is guessing. Without the attack (`before`) the model tells them by itself: the share
    of prompts to which it finds the true answer likelier, token for token. `chance` is the accuracy with shuffled
    targets of the best layer, and accuracy minus chance the selectivity. A model that no longer says what it knows may
    still know it when it hears it.

    Args:
        measure: `accuracy`, nothing else.
        known: most examples of the retain set that are read.
        ridge: strength of the penalty.

    Source: Lynch et al. 2024, Eight Methods, arXiv:2402.16835 (test 6; a ridge in the place of the logistic regression,
    which has no closed form).
    """

    measure: Literal["accuracy"] = "accuracy"
    known: int = 200
    ridge: float = 1e-1

    title: ClassVar[str] = "Truth probe"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.known < 2 or self.ridge <= 0:
            raise ConfigurationError("known must be at least 2, and ridge above 0")

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the accuracy of the best layer, with that of each as the curve [number of the block, accuracy]."""
        start, task = time.perf_counter(), as_causal_lm(problem.task, self.title)
        attacked = victim(model, run)
        known = problem.kept.sample(self.known, run.generator("truths"))
        right, wrong = _read(attacked, task, known, run)
        examples = self.sample(problem.forget, run)
        true, false = _read(attacked, task, examples, run)
        layers = list(range(right.shape[1] - 1))  # what stands last is the likelihood
        told = torch.cat([torch.ones(len(right)), torch.zeros(len(wrong))]).long()
        shuffled = told[torch.randperm(len(told), generator=run.generator("shuffled targets"))]

        def hits(layer: int, targets: Tensor) -> Tensor:
            probe = fitted(torch.cat([right[:, layer], wrong[:, layer]]), targets, 2, self.ridge)
            both = [probe(true[:, layer]).argmax(1) == 1, probe(false[:, layer]).argmax(1) == 0]
            return torch.stack(both).double().mean(0)

        by_layer = [hits(layer, told) for layer in layers]
        best = max(layers, key=lambda layer: float(by_layer[layer].mean()))
        return self.score(
            by_layer[best],
            (true[:, -1, 0] > false[:, -1, 0]).double(),
            list(enumerate(by_layer, start=1)),
            start,
            examples,
            {"examples": len(known)},
            block=best + 1,
            chance=float(hits(best, shuffled).mean()),
        )


def _read(model: nn.Module, task: CausalLM, examples: Examples, run: Run) -> tuple[Tensor, Tensor]:
    """Return the states at the end of true and wrong answers, [N, blocks + 1, D] each.

    In the last place stands the mean log-likelihood of the answer.
    """

    def states(model: nn.Module, batch: Batch) -> Tensor:
        last = batch.tensor(LENGTH) - 1
        rows = torch.arange(len(batch), device=last.device)
        ends = [state[rows, last].float() for state in hooks.all_hidden_states(model, task, batch)]
        likely = -task.losses(model, batch).unsqueeze(1).expand_as(ends[0])
        return torch.stack([*ends, likely], 1)

    aside = Run(device=run.device)
    both = [task.answering(examples, answers) for answers in statements(examples, run)]
    right, wrong = (over_examples(model, task, one, aside, states, "reading states") for one in both)
    return right, wrong


def statements(examples: Examples, run: Run) -> tuple[list[str], list[str]]:
    """Return a true and a wrong answer to each prompt, worded alike.

    They are `paraphrased_answer` and the first of `perturbed_answer`. Where there is no such wrong answer it is the
    true answer of the next example, in random order, that has another one.
    """
    answers = [str(answer) for answer in np.asarray(examples["answer"])]
    nothing = np.full(len(examples), None)
    paraphrases, given = (np.asarray(examples.columns.get(name, nothing)) for name in (PARAPHRASED, WRONG))
    order = torch.randperm(len(examples), generator=run.generator("wrong answers")).tolist()
    place = {row: i for i, row in enumerate(order)}

    def other(row: int) -> str:
        after = order[place[row] + 1 :] + order[: place[row]]
        return next((answers[i] for i in after if answers[i] != answers[row]), f"not {answers[row]}")

    true, wrong = [], []
    for row, answer in enumerate(answers):
        worded = given[row] is not None and len(given[row]) > 0
        true.append(str(paraphrases[row] or answer) if worded else answer)
        wrong.append(str(given[row][0]) if worded else other(row))
    return true, wrong
