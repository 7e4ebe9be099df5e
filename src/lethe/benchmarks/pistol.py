"""PISTOL: forget some of many linked contracts, and see what else of the graph goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import nn

from lethe.auditing.answer_steps import Steps, measure_steps
from lethe.auditing.measure import Measurements
from lethe.auditing.text import rouge
from lethe.auditing.text.deviation import deviation
from lethe.benchmarks.base import Benchmark, BenchmarkData
from lethe.benchmarks.pistol_data import ANSWER, EDGE, HUB, QUESTION, TITLE, read_pistol
from lethe.benchmarks.preparation import tuning
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.scopes import All, Scope
from lethe.scopes.lora import LoRA
from lethe.tasks import CausalLM

TOP = 100


@dataclass(frozen=True, kw_only=True)
class Pistol(Benchmark):
    """PISTOL: contracts between invented parties form a graph; some are to be forgotten from a model that knows all.

    Since what contracts say is random, gold is the same model trained on all others. How much of the answers is still
    said is measured of the forget set, and of contracts near to it and far from it in the graph.

    Args:
        split: the contracts to forget by their edges, with commas between: `A_B` joins the two hubs of sample 1, `A_C`
            a hub and a leaf.
        sample: name of the file with the contracts, where the folder holds several.
        epochs: passes over the data when the target and gold are fine-tuned.
        batch_size: rows a step of that.
        learning_rate: step size of that; 2e-5 for Llama-2-7B-chat and 1e-5 for Mistral-7B in the release's notes.
        weight_decay: weight decay of that.
        rank: rank of the low-rank adapters that are trained and merged, with scale 32/rank; 0 trains all weights.
        limit: contracts kept, for small machines; 0 keeps all.
        rows: most rows of a task that are evaluated, evenly spread; the release takes the first, which are all of the
            first contracts.
        new_tokens: most tokens of an answer that is generated.
        seed: what contracts say that are compiled here.

    Source: Qiu et al. 2024, arXiv:2406.16810; the deviation: Shen et al. 2025, arXiv:2502.07218.
    """

    split: str = "A_B"
    sample: str = ""
    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    rank: int = 8
    limit: int = 0
    rows: int = 200
    new_tokens: int = 64
    seed: int = 0

    title: ClassVar[str] = TITLE
    hub: ClassVar[str] = HUB

    def __post_init__(self) -> None:
        for name in ("rows", "new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("limit", "rank"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, not {getattr(self, name)}")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """How target and gold are made: low-rank adapters on all linear layers but the head, merged afterwards."""
        scope: Scope = LoRA(rank=self.rank, alpha=32.0, dropout=0.05, merge=True) if self.rank else All()
        return tuning(self, schedule="linear", scope=scope)

    def read(self, source: str) -> BenchmarkData:
        """Return the contracts; see `read_pistol` for what may be wrong with them."""
        return read_pistol(source, self.split, self.sample, self.limit, self.seed)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the rows to evaluate, by task."""
        return {name: self._examples(task, name, rows) for name, rows in data.tasks.items()}

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> dict[str, Steps]:
        """Return what the model says to each question, and where it ranks the true answer meanwhile."""
        return measure_steps(model, task, sets, run, self.new_tokens, known)

    def values(self, measured: dict[str, Steps], target: Any, gold: Any | None) -> dict[str, float]:
        """Return ROUGE recall, mean reciprocal rank and top hit ratio of each task, and the deviation."""
        found: dict[str, float] = {}
        for name, steps in measured.items():
            found |= {
                f"{name}_rouge1": float(rouge(steps.answers, steps.generated, "rouge1").mean()),
                f"{name}_rougeL": float(rouge(steps.answers, steps.generated, "rougeL").mean()),
                f"{name}_mrr": float(steps.mean_reciprocal_rank().mean()),
                f"{name}_top_hit": float(steps.top_hit_ratio(TOP).mean()),
            }
        return {"deviation": deviation(found["forget_rouge1"], found["retain_rouge1"]), **found}

    def _examples(self, task: CausalLM, name: str, rows: Any) -> Examples:
        some = _spread(rows, self.rows)
        ids = [f"eval-{name}-{i}" for i in range(len(some))]
        edges = np.empty(len(some), dtype=object)
        edges[:] = [str(row.get(EDGE, "")) for row in some]
        return task.examples(ids, [str(row[QUESTION]) for row in some], [str(row[ANSWER]) for row in some], edge=edges)


def _spread(rows: Any, most: int) -> Any:
    """Return at most so many rows, evenly spread: the first ones would all be of the first contracts."""
    return [rows[i * len(rows) // most] for i in range(most)] if len(rows) > most else rows
