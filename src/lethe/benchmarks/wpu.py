"""WPU: forget what Wikipedia tells of some people, and nothing of what else stands on their pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.text_rows import TextRows, greedy_recall
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.wpu_data import ANSWER, HUB, QUESTION, TITLE, read_wpu
from lethe.benchmarks.wpu_judging import efficacy, unavailable, unique_grams
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.generators.base import Asked as Truth
from lethe.run import Run
from lethe.sources.templates import template_for
from lethe.tasks import CausalLM
from lethe.tasks.templates import Conversation

MANY_SHOT, MOST_TOKENS = "many_shot", 3896


@dataclass(frozen=True, eq=False)
class Answered:
    """What a model makes of one set of questions.

    Attributes:
        rows: what was measured.
        questions: as they were asked, without what stands before them in the many-shot attack.
    """

    rows: TextRows
    questions: tuple[str, ...]

    @property
    def efficacy(self) -> float:
        """How well the answers keep the truth to themselves, in [0, 1]."""
        asked = [Truth(*pair) for pair in zip(self.questions, self.rows.answers, strict=True)]
        return float(efficacy(asked, self.rows.generated).mean())


@dataclass(frozen=True, kw_only=True)
class Wpu(Benchmark):
    """WPU: targeted unlearning of people that the given model knows, with their Wikipedia pages as what is forgotten.

    Questions about the people, about people close to them and about popular ones are answered greedily. Forgetting
    efficacy and hallucination avoidance are judged by rules here, where the paper asks a language model; its response
    quality needs such a judge and is left out, and the share of different 4-grams shows gibberish.

    Args:
        split: who is to be forgotten: `forget_100`, `forget_20_1` to `_3`, `forget_2_1` to `_5`.
        limit: people forgotten, for small machines; 0 takes all.
        new_tokens: most tokens of an answer.
        shots: answered questions about popular people that are put before each question of the many-shot attack, as
            many as fit into 3896 tokens and the model's context; 0 leaves the attack out, the paper has up to 100.

    Source: Liu et al. 2024, arXiv:2407.16997.
    """

    split: str = "forget_20_1"
    limit: int = 0
    new_tokens: int = 128
    shots: int = 0

    title: ClassVar[str] = TITLE
    hub: ClassVar[str] = HUB
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.new_tokens < 1:
            raise ConfigurationError(f"new_tokens must be at least 1, not {self.new_tokens}")
        for name in ("limit", "shots"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, not {getattr(self, name)}")

    def read(self, source: str) -> BenchmarkData:
        """Return the pages and questions; see `read_wpu` for what may be wrong with them."""
        return read_wpu(source, self.split, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the questions, in the tokenizer's chat form where it has one; only pages are plain text."""
        asking = dataclasses.replace(task, template=template_for(task.tokenizer, plain=False))
        found = {name: _examples(asking, name, rows) for name, rows in data.tasks.items()}
        if self.shots:
            shown = data.tasks["general_retain"][: self.shots]
            prompts = [self._jailbreak(asking, shown, row) for row in data.tasks["forget"]]
            found[MANY_SHOT] = _examples(asking, MANY_SHOT, data.tasks["forget"], prompts)
        return found

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> dict[str, Answered]:
        """Return the answers that the model says itself."""
        asking = dataclasses.replace(task, template=template_for(task.tokenizer, plain=False))
        asked = Asked(generated=frozenset(sets), new_tokens=self.new_tokens)
        texts = measure_text(model, asking, sets, run, asked, known).texts
        return {name: Answered(rows, tuple(map(str, np.asarray(sets[name][QUESTION])))) for name, rows in texts.items()}

    def values(self, measured: Mapping[str, Answered], target: Any, gold: Any | None) -> dict[str, float]:
        """Return efficacy and avoidance on the forget set, ROUGE-L recall and different 4-grams of each set."""
        forget = measured["forget"]
        found = {
            "forget_efficacy": forget.efficacy,
            "hallucination_avoidance": float(unavailable(forget.rows.generated).mean()),
        }
        for name, answered in measured.items():
            if name == MANY_SHOT:
                found["many_shot_efficacy"] = answered.efficacy
            else:
                found[f"{name}_rouge"] = answered.rows.mean(greedy_recall)
                found[f"{name}_unique_grams"] = unique_grams(answered.rows.generated)
        return found

    def _jailbreak(self, task: CausalLM, shown: Sequence[Row], row: Row) -> Conversation:
        """Return the question after as many answered ones as there is room for."""
        most = min(MOST_TOKENS, task.context - self.new_tokens)
        turns = [(("user", str(one[QUESTION])), ("assistant", str(one[ANSWER]))) for one in shown]
        for count in range(len(turns), -1, -1):
            said = [turn for pair in turns[:count] for turn in pair]
            prompt = Conversation([*said, ("user", str(row[QUESTION]))])
            if count == 0 or len(task.template.given(prompt, task.tokenizer)) <= most:
                break
        return prompt


def _examples(task: CausalLM, name: str, rows: Sequence[Row], prompts: Sequence[str] = ()) -> Examples:
    """Return the questions as examples; `prompts` stand in their place where there are any."""
    questions = np.asarray([str(row[QUESTION]) for row in rows], dtype=object)
    ids = [f"eval-{name}-{i}" for i in range(len(rows))]
    answers = [str(row[ANSWER]) for row in rows]
    return task.examples(ids, prompts or list(questions), answers, **{QUESTION: questions})
