"""ORT: whether knowledge of a person is gone in every form it can be asked for, or only in the one trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.text.tokens import TokenLog
from lethe.benchmarks.asking import Wanted, continuing, heard, opened, paired
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.ort_data import FORMS, SHARED, SIDES, TITLE, read_ort
from lethe.benchmarks.rwku import SCORES, TASKS
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import CausalLM

OPENING = "Answer:"
SPELLED = "Write the answer character by character, every character on a line of its own.\n{query}"
Values = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Ort(Benchmark):
    """ORT: a person is forgotten, and the same facts are asked for as question, cloze, choice, and spelled out.

    P = exp(1/|y| Σ_j log p(y_j | prompt, y_<j)) of the gold answer, averaged by form: of the forget facts it should
    fall in all forms, of those about neighbours stay. `forget_spread`, the largest form less the smallest, shows a
    method that forgot the form it was trained on. Spelled out, the answer is asked for a character a line, so that
    token pieces are scored that training never touched. Every prompt is in the tokenizer's chat form, where there is
    one, with the answer opened by `Answer:`. The published main experiment is a mean over one run each for the first
    100 people. Utility tasks, where the person's folder has them, are scored as RWKU's.

    Args:
        split: name of the person; empty takes the first.
        corpus: what methods are given: `questions`, the pairs of the form QA, or the name of a file of the person's
            with texts, as `positive`.
        limit: most facts of a form; 0 keeps all.
        shown: an answer that is spelled out before each question to spell, as for models that do not follow the
            instruction alone; empty shows none.

    Source: Ye et al. 2025, Form-Dependent Bias, arXiv:2506.07795.
    """

    split: str = ""
    corpus: str = "questions"
    limit: int = 0
    shown: str = ""

    title: ClassVar[str] = TITLE
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ConfigurationError(f"limit must not be negative, not {self.limit}; 0 keeps all facts")

    def read(self, source: str) -> BenchmarkData:
        """Return one person's facts in all forms; see `read_ort` for what may be wrong with them."""
        return read_ort(source, self.split, self.corpus, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the facts by side and form, spelled answers as `subtoken`, and the utility tasks that are there."""
        made: dict[str, Examples] = {}
        for side in SIDES:
            for form in FORMS:
                rows = data.tasks[f"{side}_{form}"]
                made[f"{side}_{form}"] = _asked(task, f"{side}-{form}", rows)
            made[f"{side}_subtoken"] = self._spelled(task, f"{side}-subtoken", data.tasks[f"{side}_qa"])
        for name in SHARED:
            if name in data.tasks:
                called, make, _ = TASKS[name]
                made[called] = make(data.tasks[name], task, False)
        return made

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Values:
        """Return every value of a model: nothing here needs another model beside it."""
        utility = {called: wanted for called, _, wanted in TASKS.values()}
        wanted = {name: utility.get(name, Wanted(log=True)) for name in sets}
        found = heard(model, task, sets, wanted, run, known)
        forms = (*FORMS, "subtoken")
        values = {
            f"{side}_{form}": gold_probability(found[f"{side}_{form}"].tokens) for side in SIDES for form in forms
        }
        for side in SIDES:
            own = [values[f"{side}_{form}"] for form in forms]
            values[f"{side}_mean"], values[f"{side}_spread"] = sum(own) / len(own), max(own) - min(own)
        for name, score in SCORES.items():
            if name in sets:
                values |= score(sets[name], found[name])
        return values

    def values(self, measured: Values, target: Values, gold: Values | None) -> Values:
        """Return every value of a model."""
        return measured

    def _spelled(self, task: CausalLM, who: str, rows: Sequence[Row]) -> Examples:
        example = f"{OPENING}\n{spelled(self.shown)}\n" if self.shown else ""
        queries = [example + SPELLED.format(query=row["query"]) for row in rows]
        given = [opened(query, f"\n{OPENING}\n", task) for query in queries]
        return paired(task, who, given, [continuing(spelled(str(row["answer"])), task) for row in rows])


def gold_probability(log: TokenLog) -> float:
    """Return the mean over answers of exp(mean_j log p_j), in [0, 1].

    >>> import torch
    >>> log_probs = torch.tensor([0.25, 1.0, 0.5]).double().log()
    >>> log = TokenLog(log_probs, torch.tensor([True, True, True]), torch.tensor([0, 2, 3]))
    >>> round(gold_probability(log), 6)
    0.5
    """
    return float(log.means(log.log_probs).exp().mean())


def spelled(answer: str) -> str:
    r"""Return an answer without blanks, every character followed by a line break.

    >>> spelled("a b")
    'a\nb\n'
    """
    return "".join(f"{character}\n" for character in "".join(answer.split()))


def _asked(task: CausalLM, who: str, rows: Sequence[Row]) -> Examples:
    given = [opened(str(row["query"]), f"\n{OPENING}", task) for row in rows]
    return paired(task, who, given, [continuing(f" {row['answer']}", task) for row in rows])
