"""Prefix extraction: give the first tokens of an answer, and see how much of the rest the model says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe.auditing.attacks.continuing import continued, given_and_said
from lethe.auditing.attacks.regained import Regaining
from lethe.auditing.measure import Measurements
from lethe.auditing.metric import Score
from lethe.auditing.prompting.asking import Asker
from lethe.auditing.text.rouge import rouge
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, Task, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class PrefixExtraction(Regaining):
    """How much of the rest of each answer comes greedily once its first k tokens are given: mean ROUGE-L recall.

    The rest is what follows the k tokens, and the model may say as many tokens as that has. Without the attack
    (`before`) it is looked for in what the model says to the prompt alone. Of an answer of no more than k tokens all
    but the last are given. A refusal in the model's first words is got round so; what is not known is not.

    Args:
        measure: `recall`, nothing else.
        counts: the numbers k of tokens to give; the value is that of the largest, the curve holds all.

    Source: Carlini et al. 2021, arXiv:2012.07805 (extraction from prefixes); Wang et al. 2025, arXiv:2411.05034.
    """

    measure: Literal["recall"] = "recall"
    counts: tuple[int, ...] = (1, 3)

    title: ClassVar[str] = "Prefix extraction"
    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.counts or min(self.counts) < 0:
            raise ConfigurationError(f"counts must be numbers of tokens from 0, not {self.counts}")

    def __call__(self, model: nn.Module, problem: Problem, run: Run) -> Score:
        """Return the recall at the largest k, with the curve [k, recall], `before` of the same rest, and examples."""
        return self.measured(model, problem, run, Measurements())

    def measured(self, model: nn.Module, problem: Problem, run: Run, known: Measurements) -> Score:
        """Return the same, with what the model said before looked up."""
        start, task = time.perf_counter(), as_causal_lm(problem.task, self.title)
        examples, answers = self.sample(problem.forget, run), Asker(model, task, run, known).answers
        rows = given_and_said(examples)
        plain = continued(answers, task, [given for given, _ in rows], [len(answer) for _, answer in rows])
        curve: list[tuple[int, Tensor]] = []
        said = plain
        with run.progress.bar(self.title.lower(), len(self.counts)) as bar:
            for count in sorted(self.counts):
                run.interrupt_point()
                cuts = [(given, answer, min(count, len(answer) - 1)) for given, answer in rows]
                rests = [answer[cut:] for _, answer, cut in cuts]
                if count:
                    prompts = [given + answer[:cut] for given, answer, cut in cuts]
                    said = continued(answers, task, prompts, [len(rest) for rest in rests])
                texts = [task.tokenizer.decode(rest, skip_special_tokens=True).strip() for rest in rests]
                curve.append((count, _recalls(texts, said)))
                before = _recalls(texts, plain)
                bar.advance()
        cost = {"queries": (len(curve) + 1) * len(rows), "tokens": curve[-1][0]}
        return self.score(curve[-1][1], before, curve, start, examples, cost, examples=_shown(examples, said))


def _recalls(texts: list[str], said: list[str]) -> Tensor:
    """Return the recall of each text that has a word: where only a full stop is left, there is nothing to extract."""
    told = [pair for pair in zip(texts, said, strict=True) if any(letter.isalnum() for letter in pair[0])]
    if not told:
        return torch.zeros(len(texts), dtype=torch.float64)
    return rouge([text for text, _ in told], [words for _, words in told])


def _shown(examples: Examples, said: list[str], most: int = 5) -> list[dict[str, Any]]:
    """Return a few prompts and answers with what the model said."""
    prompts, answers = (np.asarray(examples[name])[:most] for name in ("prompt", "answer"))
    return [
        {"prompt": str(prompt), "answer": str(answer), "said": text}
        for prompt, answer, text in zip(prompts, answers, said, strict=False)
    ]
