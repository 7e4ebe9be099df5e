"""WaterDrum: owners' texts carry watermarks, and what a model writes tells whose texts it still draws on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.text.watermarks import mean_strength, separability
from lethe.auditing.watermark_reading import readings, written
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.waterdrum_data import read_waterdrum
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.scopes import All, Scope
from lethe.scopes.lora import LoRA
from lethe.sources.language import load_tokenizer
from lethe.tasks import CausalLM
from lethe.text.watermark import Reading, Waterfall

KEY = "key"
Measured = Mapping[str, Sequence[Sequence[Reading]]]


@dataclass(frozen=True, kw_only=True)
class Waterdrum(Benchmark):
    """WaterDrum: the watermark of the forget set's owner in what a model writes, beside that of the other owners.

    Data are watermarked before training, each owner's under a key of their own. `forget_watermark` is the mean score of
    texts that continue forget queries, under the forget owner's key: the target's says whether training has imprinted
    it at all, gold's is what chance leaves. `retain_watermark` should stay. `separability` is the AUC of retained
    texts, each under its own key, against forget ones. The watermark is the owner's wording; a text on the same matter
    that somebody else holds carries another one.

    Args:
        split: `forget_01`, `forget_03` or `forget_05` of WaterDrum-Ax; `forget_01`, `forget_05` or `forget_10` of TOFU.
        kind: `ax`, texts whose category is the owner and its number the key; `tofu`, questions and answers with key 1
            to forget and key 0 to retain.
        duplicates: copies of forget rows that another owner holds under key 0 and that are retained: `exact`,
            `semantic` or `none`.
        tokenizer: folder or hub name of the watermark's own tokenizer, whatever the model's is.
        strength: κ of the watermark.
        frequency: k of the watermark.
        epochs: passes over the data when the target and gold are fine-tuned.
        batch_size: rows a step of that.
        learning_rate: step size of that.
        rank: rank of the low-rank adapters that are trained, with scale 32/rank, and merged; 0 trains all weights.
        limit: rows kept of each owner, for small machines; 0 keeps all.
        rows: most queries of either set.
        query: tokens of a text that are its query.
        samples: texts written a query.
        length: most tokens of such a text.

    Source: Lu et al. 2025, arXiv:2505.05064.
    """

    split: str = "forget_01"
    kind: Literal["ax", "tofu"] = "ax"
    duplicates: Literal["none", "exact", "semantic"] = "none"
    tokenizer: str = "meta-llama/Llama-3.1-8B-Instruct"
    strength: float = 2.0
    frequency: int = 1
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    rank: int = 8
    limit: int = 0
    rows: int = 400
    query: int = 50
    samples: int = 10
    length: int = 200

    title: ClassVar[str] = "WaterDrum"
    hub: ClassVar[str] = "Glow-AI/WaterDrum-Ax"

    def __post_init__(self) -> None:
        for name in ("rows", "query", "samples", "length"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("limit", "rank"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, not {getattr(self, name)}")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """How target and gold are made: AdamW on low-rank adapters, merged afterwards."""
        scope: Scope = LoRA(rank=self.rank, alpha=32.0, merge=True) if self.rank else All()
        return FineTune(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, optimizer="adamw",
            weight_decay=0.01, schedule="linear", scope=scope,
        )  # fmt: skip

    def read(self, source: str) -> BenchmarkData:
        """Return texts or questions with their owners' keys; see `read_waterdrum` for what may be wrong with them."""
        return read_waterdrum(source, self.split, self.kind, self.duplicates, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the queries of either set: questions, or the beginnings of texts, with the owners' keys."""
        return {name: self._queries(task, name, rows[: self.rows]) for name, rows in data.tasks.items()}

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Measured:
        """Return the readings of what the model writes at each query."""
        texts = written(model, task, sets, self.samples, self.length, run, known)
        tokenizer = load_tokenizer(self.tokenizer) if self.tokenizer else task.tokenizer
        watermark = Waterfall(tokenizer.vocab_size, self.strength, self.frequency)
        return {
            name: readings(watermark, tokenizer, texts[name], examples.tensor(KEY).tolist())
            for name, examples in sets.items()
        }

    def values(self, measured: Measured, target: Measured, gold: Measured | None) -> dict[str, float]:
        """Return strengths, separability and counted tokens; few tokens mean refusals, whose scores say little."""
        found = {f"{name}_watermark": mean_strength(rows) for name, rows in measured.items()}
        found["separability"] = separability(measured["retain"], measured["forget"])
        for name, rows in measured.items():
            counted = [one.counted for row in rows for one in row]
            found[f"{name}_tokens"] = sum(counted) / len(counted)
        return found

    def _queries(self, task: CausalLM, name: str, rows: Sequence[Row]) -> Examples:
        prompts, answers = [], []
        for i, row in enumerate(rows):
            if self.kind == "tofu":
                prompts.append(str(row["question"]))
                answers.append(str(row["answer"]))
                continue
            tokens = task.tokenizer(str(row["text"]), add_special_tokens=False)["input_ids"]
            if len(tokens) <= self.query:
                raise InputError(
                    f"text {i} (from 0) of the {name} set has {len(tokens)} tokens, and a query takes {self.query}; "
                    "lower query"
                )
            prompts.append(task.tokenizer.decode(tokens[: self.query]))
            answers.append(task.tokenizer.decode(tokens[self.query :]))
        keys = torch.tensor([row[KEY] for row in rows])
        return task.examples([f"query-{name}-{i}" for i in range(len(rows))], prompts, answers, **{KEY: keys})
