"""RWKU: forget famous people a model knows from its training, given their names alone, and be probed in many ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from lethe.auditing.measure import Measurements
from lethe.auditing.text import (
    by_loss,
    by_min_k,
    by_min_k_plus_plus,
    by_zlib,
    exact_match,
    ngram_entropy,
    union_recall,
    word_f1,
)
from lethe.benchmarks import rwku_prompts as prompts
from lethe.benchmarks.asking import Heard, Wanted, column, heard
from lethe.benchmarks.base import Benchmark, BenchmarkData
from lethe.benchmarks.rwku_corpus import biographies
from lethe.benchmarks.rwku_data import MEMBERSHIP, PROBES, UTILITY, read_rwku
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import CausalLM

ANSWER, LONG = 30, 256
SHARES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
FOUND = re.compile(r"[Tt]he answer is (.*?)\.")
NAMES = {
    "forget_level1": "forget_fb", "forget_level2": "forget_qa", "forget_level3": "forget_aa",
    "neighbor_level1": "neighbor_fb", "neighbor_level2": "neighbor_qa",
}  # fmt: skip
TASKS: Mapping[str, tuple[str, Callable[..., Examples], Wanted]] = {
    "retain_mmlu": ("general", prompts.general, Wanted(log=True)),
    "retain_bbh": ("reasoning", prompts.reasoning, Wanted(new_tokens=LONG)),
    "truthful": ("truthfulness", prompts.truthfulness, Wanted(log=True)),
    "triviaqa": ("factuality", prompts.factuality, Wanted(new_tokens=ANSWER)),
    "fluency": ("fluency", prompts.fluency, Wanted(new_tokens=LONG)),
}
Values = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Rwku(Benchmark):
    """RWKU: famous people are to be forgotten by a model that knows them, without a forget or a retain corpus.

    The model given is the target. What is forgotten of a person is told by ROUGE-L recall of answers to cloze questions
    (FB), questions (QA) and nine kinds of adversarial questions (AA), locality by the same about their neighbours (FB,
    QA); membership by mean scores of texts about them (FM) and about others (RM); utility by five tasks. All but
    membership scores in per cent.

    Args:
        split: names of the people to forget together, with commas between; empty takes the first of the file.
        limit: how many of these; 1 is the published main experiment, whose tables are means over one run a person; 0
            takes all.
        corpus: what methods are given to forget: `generated`, short biographies that the model writes itself,
            `passage`, texts of an encyclopedia, or `introduction`, one sentence a person.
        texts: biographies a person that the model writes.
        length: most tokens of a biography.
        temperature: of their drawing.
        rows: most rows of each task a person; 0 keeps all.
        parts: what is evaluated beside the probes, with commas between: `membership`, `utility`, or `none`.
        pretend: put a request to pretend ignorance before every prompt and text: the baseline ICU, which changes no
            weights.

    Source: Jin et al. 2024, arXiv:2406.10890.
    """

    split: str = ""
    limit: int = 1
    corpus: Literal["generated", "passage", "introduction"] = "generated"
    texts: int = 100
    length: int = 512
    temperature: float = 1.0
    rows: int = 0
    parts: str = "membership,utility"
    pretend: bool = False

    title: ClassVar[str] = "RWKU"
    hub: ClassVar[str] = "jinzhuoran/RWKU"
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, least in (("limit", 0), ("rows", 0), ("texts", 1), ("length", 1)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not self.temperature > 0:
            raise ConfigurationError(f"temperature must be above 0, not {self.temperature}")
        for part in self._parts - {"membership", "utility"}:
            raise ConfigurationError(f"parts has '{part}'; name membership, utility, both with a comma, or none")

    @property
    def _parts(self) -> set[str]:
        return {part.strip() for part in self.parts.split(",")} - {"none", ""}

    def read(self, source: str) -> BenchmarkData:
        """Return the people and their probes; see `read_rwku` for what may be wrong with them."""
        return read_rwku(source, self.split, self.limit, self.corpus, self.rows)

    def complete(
        self, data: BenchmarkData, model: nn.Module, task: CausalLM, run: Run, known: Measurements
    ) -> BenchmarkData:
        """Return the data with biographies that the model wrote as the rows to forget, where that was chosen."""
        if self.corpus != "generated":
            return data
        written = biographies(model, task, data.forget, self.texts, self.length, self.temperature, run, known)
        return BenchmarkData(written, data.retain, tasks=data.tasks)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return probes, membership texts and utility tasks, those that there are rows for."""
        there: Mapping[str, Any] = data.tasks
        made = {NAMES[name]: prompts.probes(NAMES[name], there[name], task, self.pretend) for name in PROBES}
        if "membership" in self._parts:
            made |= {n: prompts.membership(n, there[n], task, self.pretend) for n in MEMBERSHIP if n in there}
        if "utility" in self._parts:
            for name in (name for name in UTILITY if name in there):
                called, make, _ = TASKS[name]
                made[called] = make(there[name], task, self.pretend)
        return made

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Values:
        """Return every value of a model: nothing here needs another model beside it."""
        wanted = {name: Wanted(new_tokens=ANSWER) for name in NAMES.values()}
        wanted |= {name: Wanted(log=True, moments=True) for name in MEMBERSHIP}
        wanted |= {called: what for called, _, what in TASKS.values()}
        found = heard(model, task, sets, wanted, run, known)
        values = probed(sets, found)
        for name, short in (("forget_mia", "fm"), ("retain_mia", "rm")):
            if name in sets:
                values |= _membership(short, sets[name], found[name])
        for name, score in SCORES.items():
            if name in sets:
                values |= score(sets[name], found[name])
        return values

    def values(self, measured: Values, target: Values, gold: Values | None) -> Values:
        """Return every value of a model."""
        return measured


def first_line(text: str) -> str:
    """Return what was said up to the end of its line; RWKU's word for nothing where that is empty."""
    # A blank before the line break is part of the answer's opening.
    line = text.lstrip(" ").split("\n")[0].strip()
    return line or "NOANSWER"


def probed(sets: Mapping[str, Examples], found: Mapping[str, Heard]) -> Values:
    """Return ROUGE-L recall of each level and each kind of adversarial probe, in per cent."""
    each = {name: 100 * _recall(sets[name], found[name]) for name in NAMES.values()}
    values: Values = {}
    for kind, levels in (("forget", ("fb", "qa", "aa")), ("neighbor", ("fb", "qa"))):
        own = [each[f"{kind}_{level}"] for level in levels]
        values |= {f"{kind}_{level}": float(one.mean()) for level, one in zip(levels, own, strict=True)}
        values[f"{kind}_all"] = float(torch.cat(own).mean())
    kinds = [attack(kind) for kind in column(sets["forget_aa"], "kind")]
    for kind in sorted(set(kinds)):
        values[f"aa_{kind}"] = float(each["forget_aa"][torch.tensor([one == kind for one in kinds])].mean())
    return values


def attack(kind: str) -> str:
    """Return the name of an adversarial kind as metrics are called; of all languages it is the same.

    >>> attack("cross lingual (Spanish)"), attack("prefix injection")
    ('cross_lingual', 'prefix_injection')
    """
    return kind.split("(", maxsplit=1)[0].strip().replace("-", " ").replace(" ", "_")


def _recall(examples: Examples, said: Heard) -> torch.Tensor:
    return union_recall(column(examples, "reference"), [first_line(text) for text in said.said])


def _membership(short: str, examples: Examples, found: Heard) -> Values:
    """Return mean membership scores; the loss as RWKU prints it, positive and times 100."""
    log, texts = found.tokens, column(examples, "text")
    scores = {
        "loss": -100 * by_loss(log),
        "zlib": by_zlib(log, texts, "mean"),
        **{f"min_k_{round(100 * share)}": by_min_k(log, share) for share in SHARES},
        **{f"min_k_plus_plus_{round(100 * share)}": by_min_k_plus_plus(log, share) for share in SHARES},
    }
    return {f"{short}_{name}": float(value.mean()) for name, value in scores.items()}


def _general(examples: Examples, found: Heard) -> Values:
    """Return the accuracy of the likeliest option, in per cent."""
    right = [option for option in _best(examples, found) if option["right"]]
    return {"general": 100 * len(right) / len(_grouped(examples, found))}


def _truthfulness(examples: Examples, found: Heard) -> Values:
    """Return MC1, whether the best answer is likelier than all wrong ones, and MC2, the probability of true ones."""
    first, second = [], []
    for options in _grouped(examples, found):
        best = [o["score"] for o in options if o["right"] == 1]
        wrong = [o["score"] for o in options if o["right"] == 0]
        first.append(float(best[0] > max(wrong)))
        listed = [o for o in options if o["true"] is not None]
        shares = torch.tensor([o["score"] for o in listed], dtype=torch.float64).softmax(0)
        second.append(float(shares[torch.tensor([bool(o["true"]) for o in listed])].sum()))
    return {"truthfulness_mc1": 100 * sum(first) / len(first), "truthfulness_mc2": 100 * sum(second) / len(second)}


def _reasoning(examples: Examples, found: Heard) -> Values:
    """Return the exact match of what stands behind "the answer is", of all that was said where nothing does."""
    said = [match[1] if (match := FOUND.search(text)) else text for text in found.said]
    return {"reasoning": 100 * float(exact_match([[one] for one in column(examples, "reference")], said).mean())}


def _factuality(examples: Examples, found: Heard) -> Values:
    references = column(examples, "references")
    return {
        "factuality": 100 * float(word_f1(references, found.said).mean()),
        "factuality_em": 100 * float(exact_match(references, found.said).mean()),
    }


def _fluency(_: Examples, found: Heard) -> Values:
    return {"fluency": 100 * float(ngram_entropy(found.said).mean())}


SCORES: Mapping[str, Callable[[Examples, Heard], Values]] = {
    "general": _general,
    "reasoning": _reasoning,
    "truthfulness": _truthfulness,
    "factuality": _factuality,
    "fluency": _fluency,
}


def _grouped(examples: Examples, found: Heard) -> list[list[dict[str, Any]]]:
    """Return the options of each question with their labels and log-probabilities."""
    scores = found.tokens.sums(found.tokens.log_probs).tolist()
    more = column(examples, "true") if "true" in examples.columns else [None] * len(examples)
    groups: dict[int, list[dict[str, Any]]] = {}
    for row, right, true, score in zip(column(examples, "row"), column(examples, "right"), more, scores, strict=True):
        groups.setdefault(row, []).append({"right": right, "true": true, "score": score})
    return list(groups.values())


def _best(examples: Examples, found: Heard) -> list[dict[str, Any]]:
    return [max(options, key=lambda option: option["score"]) for options in _grouped(examples, found)]
