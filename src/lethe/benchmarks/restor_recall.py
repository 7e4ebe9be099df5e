"""Recall: what a model answers when asked for facts, how likely it finds true and false answers, and its repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from lethe.api import on_device
from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import measure_text
from lethe.auditing.text.recall import names_answer
from lethe.benchmarks.restor_data import FACTS
from lethe.examples import Examples
from lethe.generation import ends_of, sample
from lethe.methods.base import settings
from lethe.methods.baselines.finetune import FineTune
from lethe.models import fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, TOKENS

OPTIONS = ("correct", "corrupted", "random")


@dataclass(frozen=True)
class Recalled:
    """What one model recalls.

    Attributes:
        accuracy: share of right answers of each person, averaged over persons and samples.
        options: mean log-probability a token of `correct`, `corrupted` and `random` answers, averaged over the answers
            to a question and then over questions.
    """

    accuracy: float
    options: Mapping[str, float]


@dataclass(frozen=True)
class Recalling:
    """How models are asked.

    Args:
        task: plain text.
        samples: answers sampled to each question.
        new_tokens: most tokens of an answer.
    """

    task: CausalLM
    samples: int
    new_tokens: int

    def __call__(self, model: nn.Module, sets: Mapping[str, Examples], run: Run, known: Measurements) -> Recalled:
        """Return what the model recalls of `facts`, and what it makes of the sets of options."""
        facts = sets[FACTS]
        right = np.mean([self._right(model, facts, number, run, known) for number in range(self.samples)], axis=0)
        options = {name: sets[name] for name in OPTIONS if name in sets}
        rows = measure_text(model, self.task, options, run, known=known).texts
        scores = {
            name: _by_group(rows[name].log.means(rows[name].log.log_probs).numpy(), np.asarray(examples["fact"]))
            for name, examples in options.items()
        }
        return Recalled(_by_group(right, np.asarray(facts["entity"])), scores)

    def _right(self, model: nn.Module, facts: Examples, number: int, run: Run, known: Measurements) -> np.ndarray:
        """Return whether each answer of one round of samples is right, [N]."""
        key = digest(["recall", fingerprint(model), repr(model), facts.fingerprint, self.new_tokens, number])
        kept = known.recall(key)
        if kept is None:
            kept = {}, {"said": self._said(model, facts, run.part(f"recall-{number}"))}
            known.keep(key, *kept)
        lines = [text.strip().split("\n")[0] for text in kept[1]["said"]]
        return names_answer([tuple(one) for one in np.asarray(facts["accepted"])], lines).numpy()

    def _said(self, model: nn.Module, facts: Examples, run: Run) -> list[str]:
        tokens, starts = facts.tensor(TOKENS), facts.tensor(ANSWER_FROM)
        prompts = [row[: int(start)].tolist() for row, start in zip(tokens, starts, strict=True)]
        limits = [min(self.new_tokens, self.task.context - len(prompt)) for prompt in prompts]
        line = self.task.tokenizer("\n", add_special_tokens=False)["input_ids"]
        ends = [*ends_of(model, self.task.tokenizer), *(line if len(line) == 1 else [])]
        said = sample(model, prompts, limits, ends, device=run.device, generator=run.generator("answers"))
        return [self.task.tokenizer.decode(one, skip_special_tokens=True) for one in said]


def repaired(
    recalling: Recalling,
    model: nn.Module,
    task: CausalLM,
    sets: Mapping[str, Examples],
    lessons: Examples,
    recipe: FineTune,
    run: Run,
    known: Measurements,
) -> Recalled:
    """Return what the model recalls after an instruction tuning that is the same for every model."""
    contents = {name: examples.fingerprint for name, examples in sets.items()}
    asked = [recalling.samples, recalling.new_tokens, contents, lessons.fingerprint, settings(recipe)]
    key = digest(["repaired", fingerprint(model), repr(model), asked])
    kept = known.recall(key)
    if kept is None:
        problem = Problem(model=model, task=task, forget=lessons.take([]), retain=lessons)
        tuned = recipe.unlearn(on_device(problem, run.device), run.part("repair")).eval()
        found = recalling(tuned, sets, run, Measurements())
        kept = {}, {"accuracy": found.accuracy, "options": dict(found.options)}
        known.keep(key, *kept)
    return Recalled(**kept[1])


def _by_group(values: np.ndarray | Tensor, groups: np.ndarray) -> float:
    """Return the mean over groups of the mean in each."""
    return float(np.mean([np.mean(np.asarray(values)[groups == group]) for group in dict.fromkeys(groups.tolist())]))
