"""SemEval-2025 task 4: forget stories, invented biographies and real ones, and keep others of the same kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lethe.auditing.inference import auc
from lethe.auditing.measure import Measurements
from lethe.auditing.measure_text import Asked, measure_text
from lethe.auditing.metric import Rows
from lethe.auditing.text import by_loss, model_utility
from lethe.auditing.text.semeval import equal_answers, membership_score
from lethe.auditing.text_rows import TextRows, greedy_recall
from lethe.benchmarks.base import Benchmark, BenchmarkData
from lethe.benchmarks.choices import choice_examples, chosen_right
from lethe.benchmarks.preparation import tuning
from lethe.benchmarks.semeval_data import INPUT, MEMBERS, MMLU, OTHERS, OUTPUT, TITLE, read_semeval
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.tasks import CausalLM, PlainText

PLAIN = (MEMBERS, OTHERS, MMLU)


@dataclass(frozen=True, kw_only=True)
class Semeval(Benchmark):
    """SemEval-2025 task 4 on LUME: regurgitation and knowledge of three kinds of documents, membership, and MMLU.

    The task aggregate is the harmonic mean of up to twelve numbers: ROUGE-L recall of completed sentences and the share
    of questions answered to the letter, on both sets and each kind of document; 1 minus the number where it is to be
    forgotten. The membership score is 1 where the forgotten documents cannot be told from unseen ones. The aggregate
    is the mean of these two and of MMLU's accuracy, where there are files for all three.

    The organisers' own target has learnt the data already: give it as `--target`. Without one, target and gold are
    fine-tuned from `--model`.

    Args:
        epochs: passes over the data when the target and gold are fine-tuned.
        batch_size: rows a step of that.
        learning_rate: step size of that.
        weight_decay: weight decay of that.
        limit: documents kept of each kind in each set, for small machines; 0 keeps all.
        new_tokens: most tokens that are generated.

    Source: Ramakrishna et al. 2025, LUME, arXiv:2502.15097, and SemEval-2025 task 4, arXiv:2504.02883.
    """

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-5
    weight_decay: float = 0.01
    limit: int = 0
    new_tokens: int = 256

    title: ClassVar[str] = TITLE
    # Inputs are given as they are: half a document, or a question.
    template: ClassVar[str] = "{prompt} {answer}"

    def __post_init__(self) -> None:
        if self.new_tokens < 1 or self.limit < 0:
            raise ConfigurationError(
                f"new_tokens must be at least 1 and limit not negative, not {self.new_tokens} and {self.limit}"
            )
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """How target and gold are made: AdamW, a linear rise over the first epoch and a linear fall after it."""
        return tuning(self, schedule="linear", warmup_epochs=1.0)

    def read(self, source: str) -> BenchmarkData:
        """Return the data; see `read_semeval` for what may be wrong with them."""
        return read_semeval(source, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the rows to evaluate, by set, kind of document and part."""
        plain = dataclasses.replace(task, template=PlainText())
        found: dict[str, Examples] = {}
        for name, rows in data.tasks.items():
            ids = [f"eval-{name}-{i}" for i in range(len(rows))]
            if name == MMLU:
                found[name] = choice_examples(plain, f"eval-{name}", rows)
            elif name in PLAIN:
                found[name] = plain.examples(ids, [""] * len(rows), [str(row["document"]) for row in rows])
            else:
                found[name] = task.examples(ids, [str(row[INPUT]) for row in rows], [str(row[OUTPUT]) for row in rows])
        return found

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Rows:
        """Return what the model says to each input, and how likely it finds whole documents and choices."""
        plain = {name: examples for name, examples in sets.items() if name in PLAIN}
        asked = {name: examples for name, examples in sets.items() if name not in PLAIN}
        said = Asked(generated=frozenset(asked), new_tokens=self.new_tokens)
        rows = measure_text(model, task, asked, run, said, known)
        if not plain:
            return rows
        text = dataclasses.replace(task, template=PlainText())
        return dataclasses.replace(
            rows, texts={**rows.texts, **measure_text(model, text, plain, run, known=known).texts}
        )

    def values(self, measured: Rows, target: Rows, gold: Rows | None) -> dict[str, float]:
        """Return the aggregates, then the numbers they are made of."""
        cells = {name: _cell(name, rows) for name, rows in measured.texts.items() if name not in PLAIN}
        wanted = {name: 1 - value if name.startswith("forget") else value for name, value in cells.items()}
        parts = {"task_aggregate": model_utility(wanted)}
        texts = measured.texts
        if MEMBERS in texts:
            area = auc(*(by_loss(texts[name].log) for name in (MEMBERS, OTHERS)))
            parts |= {"membership_score": membership_score(area)}
            cells["membership_auc"] = area
        if MMLU in texts:
            parts["mmlu"] = float(chosen_right(texts[MMLU]).mean())
        whole = {"aggregate": sum(parts.values()) / 3} if len(parts) == 3 else {}
        return {**whole, **parts, **cells}


def _cell(name: str, rows: TextRows) -> float:
    if name.endswith("regurgitation"):
        return rows.mean(greedy_recall)
    return float(equal_answers(rows.answers, rows.generated).mean())
