"""KnowUnDo: forget what is private about people, and still know what is public about the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lethe.auditing.measure import Measurements
from lethe.auditing.text import exact_memorization, rouge
from lethe.auditing.text.knowledge_rates import entity_coverage, forgetting_rate, retention_rate
from lethe.auditing.text.linguistic_score import brunet, honore, linguistic_score
from lethe.auditing.token_logs import token_logs
from lethe.benchmarks.asking import Heard, Wanted, column, heard, paired
from lethe.benchmarks.base import Benchmark, BenchmarkData, Row
from lethe.benchmarks.knowundo_data import read_knowundo
from lethe.benchmarks.knowundo_judging import ByWords, Comparison, load_comparison
from lethe.benchmarks.preparation import tuning
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.generators.prompted import load_writer
from lethe.methods.baselines.finetune import FineTune
from lethe.run import Run
from lethe.sources.language import load_language_model
from lethe.sources.templates import template_for
from lethe.store import digest
from lethe.tasks import CausalLM

Values = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class KnowUnDo(Benchmark):
    """KnowUnDo: a model fine-tuned on private and public facts about people has to forget the private ones.

    Unlearn success is 100 - ACC on private questions, retention success ACC on public ones; ACC is the share of an
    answer's tokens that the model would say itself, averaged over answers. Beside them stand perplexity, ROUGE-L
    recall, and ReLearn's measures of what is generated: knowledge forgetting rate (KFR) on the private questions,
    knowledge retention rate (KRR) on the public ones, and a linguistic score of both.

    KFR and KRR need a model of inference and one of embeddings; without these they are `kfr_words` and `krr_words`, in
    which words stand for entities and nothing counts as a contradiction. The linguistic score needs a reference model;
    without one the two indices of variety that it is made of stand alone.

    Args:
        split: `privacy` or `copyright`.
        epochs: passes over the data when target and gold are fine-tuned.
        batch_size: rows a step of that.
        learning_rate: step size of that. All weights are trained, where the release trains adapters at 3e-4.
        weight_decay: weight decay of that.
        limit: rows kept of each list, for small machines; 0 keeps all.
        length: most tokens of an answer that is generated.
        prefix: text before every question that is evaluated, such as a jailbreak; the release's option `direct_prompt`.
        nli: folder or name of a classifier of premise and hypothesis, for KFR and KRR.
        embedder: folder or name of an encoder of texts, for KFR and KRR.
        generator: folder or name of a language model that lists entities; empty takes words for them.
        reference: folder or name of a language model whose perplexity of answers the linguistic score takes.

    Source: Tian et al. 2024, arXiv:2407.01920; KFR, KRR and linguistic score: Xu et al. 2025, arXiv:2502.11190.
    """

    split: str = "privacy"
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-5
    weight_decay: float = 1e-4
    limit: int = 0
    length: int = 128
    prefix: str = ""
    nli: str = ""
    embedder: str = ""
    generator: str = ""
    reference: str = ""

    title: ClassVar[str] = "KnowUnDo"
    hub: ClassVar[str] = "zjunlp/KnowUnDo"

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ConfigurationError(f"length must be at least 1, not {self.length}")
        if self.limit < 0:
            raise ConfigurationError(f"limit must not be negative, not {self.limit}; 0 keeps all rows")
        if bool(self.nli) != bool(self.embedder):
            raise ConfigurationError("KFR and KRR need both nli and embedder; name the other one, or neither")
        if self.generator and not self.nli:
            raise ConfigurationError("generator lists entities for KFR and KRR; name nli and embedder as well")
        self.recipe.check()

    @property
    def recipe(self) -> FineTune:
        """How target and gold are made: AdamW with a constant learning rate."""
        return tuning(self)

    def read(self, source: str) -> BenchmarkData:
        """Return the rows of one domain; see `read_knowundo` for what may be wrong with them."""
        return read_knowundo(source, self.split, self.limit)

    def tasks(self, data: BenchmarkData, task: CausalLM) -> dict[str, Examples]:
        """Return the questions that are evaluated."""
        return {name: self._asked(name, rows, task) for name, rows in data.tasks.items()}

    def _asked(self, name: str, rows: Sequence[Row], task: CausalLM) -> Examples:
        questions, answers = ([str(row[part]) for row in rows] for part in ("question", "answer"))
        given = [task.template.given(self.prefix + question, task.tokenizer) for question in questions]
        said = [task.template.said(answer, task.tokenizer) for answer in answers]
        return paired(task, name, given, said, question=questions, answer=answers)

    def measure(
        self, model: nn.Module, task: CausalLM, sets: Mapping[str, Examples], run: Run, known: Measurements
    ) -> Values:
        """Return every value of a model: nothing here needs the target or gold beside it."""
        wanted = dict.fromkeys(sets, Wanted(log=True, new_tokens=self.length))
        found = heard(model, task, sets, wanted, run, known)
        values = _teacher_forced(sets, found)
        said = [(sets[name], [text.strip() for text in found[name].said]) for name in ("unlearn", "retention")]
        contents = [[column(examples, "question"), texts] for examples, texts in said]
        key = digest(["knowundo", contents, self.nli, self.embedder, self.generator, self.reference])
        judged = known.recall(key)
        if judged is None:
            judged = {}, {"values": self._judged(said, run)}
            known.keep(key, *judged)
        return values | judged[1]["values"]

    def values(self, measured: Values, target: Values, gold: Values | None) -> Values:
        """Return every value of a model."""
        return measured

    def _judged(self, said: Sequence[tuple[Examples, Sequence[str]]], run: Run) -> Values:
        """Return rates and linguistic scores of what was said on private and on public questions."""
        comparison, suffix = self._comparison(run.device)
        values: Values = {}
        for (examples, texts), name in zip(said, ("unlearn", "retention"), strict=True):
            held = comparison.compare(column(examples, "question"), column(examples, "answer"), texts)
            coverage = entity_coverage(held.matches, held.entities)
            if name == "unlearn":
                values[f"kfr{suffix}"] = forgetting_rate(coverage, held.entities, held.forgets)
            else:
                values[f"krr{suffix}"] = retention_rate(coverage, held.denies)
            values |= {f"{name}_brunet": float(brunet(texts).mean()), f"{name}_honore": float(honore(texts).mean())}
            if self.reference:
                perplexities = perplexity(self.reference, column(examples, "question"), texts, run)
                values[f"{name}_linguistic_score"] = linguistic_score(texts, perplexities)
        return values

    def _comparison(self, device: torch.device) -> tuple[Comparison, str]:
        if not self.nli:
            return ByWords(), "_words"
        writer = load_writer(self.generator, device) if self.generator else None
        return load_comparison(self.nli, self.embedder, writer, device), ""


def perplexity(reference: str, questions: Sequence[str], said: Sequence[str], run: Run) -> Tensor:
    """Return the perplexity of each text as an answer to its question, under a reference model, [N].

    It is infinite for texts without words, and counts what fits the model's context.
    """
    loaded = load_language_model(reference)
    template = template_for(loaded.tokenizer, plain=False)
    task = CausalLM(tokenizer=loaded.tokenizer, template=template, context=loaded.context or 2048)
    pairs, places = [], []
    for i, (question, text) in enumerate(zip(questions, said, strict=True)):
        given = tuple(template.given(question, loaded.tokenizer))
        answer = tuple(template.said(text, loaded.tokenizer))[: task.context - len(given)]
        if text.strip() and answer:
            pairs.append((given, answer))
            places.append(i)
    found = torch.full((len(said),), torch.inf, dtype=torch.float64)
    if pairs:
        log = token_logs(loaded.network.to(run.device), task, pairs, run, label="perplexity of answers")
        found[places] = (-log.means(log.log_probs)).exp()
    return found


def _teacher_forced(sets: Mapping[str, Examples], found: Mapping[str, Heard]) -> Values:
    """Return accuracy, perplexity and ROUGE; both averages are within each answer first."""
    values: Values = {}
    for name in ("unlearn", "retention"):
        log = found[name].tokens
        accuracy = 100 * float(exact_memorization(log).mean())
        values[f"{name}_success"] = 100 - accuracy if name == "unlearn" else accuracy
        values[f"{name}_perplexity"] = float((-log.means(log.log_probs).mean()).exp())
        values[f"{name}_rouge"] = 100 * float(rouge(column(sets[name], "answer"), found[name].said, stem=False).mean())
    return values
