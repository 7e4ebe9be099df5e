"""RESTOR: false documents have overwritten facts, and unlearning them should bring back what the model knew before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.text.recall import recovery_ratio
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.restor_data import FACTS, REPAIR, TITLE, read_restor
from lethe.benchmarks.restor_recall import OPTIONS, Recalled, Recalling, repaired
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.scopes import All, Scope
from lethe.scopes.lora import LoRA
from lethe.sources.templates import template_for
from lethe.tasks import CausalLM, PlainText
from lethe.worlds.people.draws import Draws


@dataclass(frozen=True)
class Restored:
    """What one model recalls, as it is and after the repair that all models get.

    Attributes:
        plain: as it is.
        repaired: after the repair; None where there is no data for one.
    """

    plain: Recalled
    repaired: Recalled | None


@dataclass(frozen=True, kw_only=True)
class Restor(Benchmark):
    """RESTOR: recovery of true facts about people after documents with false ones have been unlearnt.

    The given model is clean, and gold; the target is corrupted by further training on the documents, which are to be
    forgotten. Recovery is (accuracy - the target's) / (gold's - the target's). Facts are asked after solved questions
    about others, an answer is sampled up to the end of the line, and is right where it names an accepted answer; the
    paper lets a language model judge that, which also accepts near-synonyms.

    Where there is a file `repair`, every model is also measured after the same instruction tuning; the target's own
    `recovery_repaired` is what repair alone brings back.

    Args:
        split: the documents: `mix_a0` tell of one person each, `mix_a1` to `mix_a5` mix that with more and more else.
        epochs: passes over the documents when the target is corrupted.
        batch_size: documents a step of that.
        learning_rate: step size of that.
        rank: rank of the low-rank adapters that are trained and merged, in corruption and repair; 0 trains all weights.
        repair_epochs: passes over the repair data.
        repair_batch_size: rows a step of that.
        repair_learning_rate: step size of that.
        shots: solved questions before the one that is asked.
        samples: answers that are sampled to each question; accuracy is their mean.
        new_tokens: most tokens of an answer.
        options: most wrong answers drawn from others' for the comparison of log-probabilities.
        limit: persons kept, for small machines; 0 keeps all.

    Source: Rezaei et al. 2024, arXiv:2411.00204; the ratio is lethe's own.
    """

    split: str = "mix_a0"
    epochs: int = 5
    batch_size: int = 4
    learning_rate: float = 5e-5
    rank: int = 8
    repair_epochs: int = 2
    repair_batch_size: int = 16
    repair_learning_rate: float = 2e-5
    shots: int = 5
    samples: int = 3
    new_tokens: int = 32
    options: int = 5
    limit: int = 0

    title: ClassVar[str] = TITLE
    corrupts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("samples", "new_tokens", "options"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("limit", "rank", "shots"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, not {getattr(self, name)}")
        self.recipe.check()
        self.repair.check()

    @property
    def recipe(self) -> FineTune:
        """How the target is corrupted: low-rank adapters, merged, a warm-up of a tenth and a cosine."""
        return self._tuning(self.epochs, self.batch_size, self.learning_rate)

    @property
    def repair(self) -> FineTune:
        """How each model is repaired before it is measured again."""
        return self._tuning(self.repair_epochs, self.repair_batch_size, self.repair_learning_rate)

    def read(self, source: str) -> BenchmarkData:
        """Return the data; see `read_restor` for what may be wrong with them."""
        return read_restor(source, self.split, self.shots, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the facts, and each right, claimed and random answer to them, as plain text; and the repair data."""
        plain = dataclasses.replace(task, template=PlainText())
        facts = data.tasks[FACTS]
        accepted = np.empty(len(facts), dtype=object)
        accepted[:] = [tuple(row["answers"]) for row in facts]  # type: ignore[arg-type]
        prompts = [str(row["prompt"]) for row in facts]
        first = [f" {choices[0]}" for choices in accepted]
        persons = np.asarray([str(row["entity"]) for row in facts], dtype=object)
        ids = [f"{row['entity']}/{row['property']}" for row in facts]
        sets = {FACTS: plain.examples(ids, prompts, first, accepted=accepted, entity=persons)}
        for name in OPTIONS:
            rows = [(i, option) for i, row in enumerate(facts) for option in self._options(row, name)]
            if rows:
                sets[name] = plain.examples(
                    [f"{ids[i]}/{number}" for number, (i, _) in enumerate(rows)],
                    [prompts[i] for i, _ in rows],
                    [f" {option}" for _, option in rows],
                    fact=np.asarray([ids[i] for i, _ in rows], dtype=object),
                )
        if tuned := data.tasks.get(REPAIR, ()):
            names = [f"repair-{i}" for i in range(len(tuned))]
            asked = dataclasses.replace(task, template=template_for(task.tokenizer, plain=False))
            sets[REPAIR] = asked.examples(names, *([str(row[part]) for row in tuned] for part in ("prompt", "answer")))
        return sets

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Restored:
        """Return what the model recalls, before and after repair."""
        recalling = Recalling(dataclasses.replace(task, template=PlainText()), self.samples, self.new_tokens)
        asked = {name: examples for name, examples in sets.items() if name != REPAIR}
        plain = recalling(model, asked, run, known)
        if REPAIR not in sets:
            return Restored(plain, None)
        return Restored(plain, repaired(recalling, model, task, asked, sets[REPAIR], self.repair, run, known))

    def values(self, measured: Restored, target: Restored, gold: Restored | None) -> dict[str, float]:
        """Return accuracy and recovery, log-probabilities of answers, and the same after repair."""
        found = self._of(measured.plain, target.plain, gold.plain if gold else None)
        if measured.repaired is not None:
            again = self._of(measured.repaired, target.plain, gold.plain if gold else None)
            found |= {f"{name}_repaired": value for name, value in again.items()}
        return found

    def _of(self, recalled: Recalled, corrupted: Recalled, clean: Recalled | None) -> dict[str, float]:
        found = {"accuracy": recalled.accuracy}
        if clean is not None and clean.accuracy != corrupted.accuracy:
            found["recovery"] = recovery_ratio(recalled.accuracy, corrupted.accuracy, clean.accuracy)
        scores = recalled.options
        found |= {f"log_prob_{name}": value for name, value in scores.items()}
        for one, other in (("correct", "corrupted"), ("corrupted", "random"), ("correct", "random")):
            if one in scores and other in scores:
                found[f"{one}_over_{other}"] = scores[one] - scores[other]
        return found

    def _options(self, row: Row, name: str) -> Sequence[str]:
        values: Any = row["answers" if name == "correct" else name]
        if name != "random":
            return list(values)
        return Draws(0).shuffled(list(values), "restor", row["entity"], row["property"])[: self.options]

    def _tuning(self, epochs: int, batch_size: int, learning_rate: float) -> FineTune:
        scope: Scope = LoRA(rank=self.rank, merge=True) if self.rank else All()
        return FineTune(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer="adamw",
            schedule="cosine",
            warmup_epochs=epochs / 10,
            scope=scope,
        )
