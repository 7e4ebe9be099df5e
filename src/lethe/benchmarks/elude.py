"""ELUDe: forget everything about one well-known person, and keep that person's neighbours and the rest of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.text import forget_truth_ratio, model_utility, option_probability, utility_truth_ratio
from lethe.auditing.text_rows import TextRows, answer_probability, geometric_ratio, greedy_recall
from lethe.benchmarks.base import Benchmark, BenchmarkData
from lethe.benchmarks.elude_data import ANSWER, HUB, PARAPHRASED, QUESTION, TITLE, WRONG, read_elude
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import CausalLM

WORLD = "world"


@dataclass(frozen=True, kw_only=True)
class Elude(Benchmark):
    """ELUDe: unlearning of one entity that the given model knows, with neighbours and instructions of the world kept.

    Of each set probability, truth ratio and ROUGE-L recall are measured as TOFU does. Forget quality is the harmonic
    mean of 1 - probability, 1 - recall and the truth ratio on the forget set; retain quality that of the numbers on
    neighbours and world.

    Args:
        split: who is to be forgotten, as `Donald_Trump`; empty takes the first in the file.
        part: the part of the retain questions that is evaluated, `test` or `validation`.
        limit: questions kept of each set, for small machines; 0 keeps all.
        new_tokens: most tokens of an answer about a person.
        world_tokens: most tokens of an answer to an instruction.
        seed: which questions about neighbours and which instructions the retain set has.

    Source: Choi et al. 2025 (Opt-Out), arXiv:2406.12329; its release measures the parts, the two means are its paper's.
    """

    split: str = ""
    part: str = "test"
    limit: int = 0
    new_tokens: int = 128
    world_tokens: int = 512
    seed: int = 0

    title: ClassVar[str] = TITLE
    hub: ClassVar[str] = HUB
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("new_tokens", "world_tokens"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.limit < 0:
            raise ConfigurationError(f"limit must not be negative, not {self.limit}; 0 keeps all")

    def read(self, source: str) -> BenchmarkData:
        """Return the data of the entity; see `read_elude` for what may be wrong with them."""
        return read_elude(source, self.split, self.part, self.limit, self.seed)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the questions to evaluate, with paraphrased and wrong answers."""
        found = {}
        for name, rows in data.tasks.items():
            wrong = np.empty(len(rows), dtype=object)
            wrong[:] = [tuple(row[WRONG]) for row in rows]  # type: ignore[arg-type]
            paraphrased = np.asarray([str(row[PARAPHRASED]) for row in rows], dtype=object)
            ids = [f"eval-{name}-{i}" for i in range(len(rows))]
            questions, answers = ([str(row[part]) for row in rows] for part in (QUESTION, ANSWER))
            found[name] = task.examples(ids, questions, answers, **{PARAPHRASED: paraphrased, WRONG: wrong})
        return found

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> dict[str, TextRows]:
        """Return what the model makes of every different question and answer, and its own greedy answers."""
        found: dict[str, TextRows] = {}
        for length, world in ((self.new_tokens, False), (self.world_tokens, True)):
            some = {name: examples for name, examples in sets.items() if (name == WORLD) is world}
            if some:
                asked = Asked(generated=frozenset(some), new_tokens=length)
                found |= measure_text(model, task, some, run, asked, known).texts
        return found

    def values(self, measured: Mapping[str, TextRows], target: Any, gold: Any | None) -> dict[str, float]:
        """Return both qualities and the numbers they are made of."""
        found: dict[str, float] = {}
        for name, rows in measured.items():
            ratio = (forget_truth_ratio if name == "forget" else utility_truth_ratio)(rows.each(geometric_ratio))
            found |= {
                f"{name}_probability": _probability(rows, name),
                f"{name}_truth_ratio": float(ratio.mean()),
                f"{name}_rouge": rows.mean(greedy_recall),
            }
        kept = {name: value for name, value in found.items() if not name.startswith("forget")}
        forgotten = {
            "probability": 1 - found["forget_probability"],
            "rouge": 1 - found["forget_rouge"],
            "truth_ratio": found["forget_truth_ratio"],
        }
        return {"forget_quality": model_utility(forgotten), "retain_quality": model_utility(kept), **found}


def _probability(rows: TextRows, name: str) -> float:
    """Return the mean probability of the answers; of the world's among the wrong ones."""
    if name != WORLD:
        return rows.mean(answer_probability)
    return float(option_probability(rows.log.means(rows.log.log_probs), rows.wrong).mean())
