"""UnStar: ask the model, teach it misleading answers where it still knows, ask in new words, until it knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import nn

from lethe.errors import ConfigurationError
from lethe.generation import greedy
from lethe.generators import (
    Asked,
    ModelWriter,
    TemplateWriter,
    Way,
    Writer,
    asked_of,
    require_named,
    writer_of,
)
from lethe.generators.matching import matches, plain_words
from lethe.methods.base import Method
from lethe.methods.descent.anti_samples import (
    Pool,
    Probe,
    answered,
    anti_samples,
    giving_away,
    holds_answer,
    is_about,
    nearest,
)
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.models import copied
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA, Scope
from lethe.tasks import CausalLM, Task, as_causal_lm

OWN = "self"
EXPANDING: tuple[Way, ...] = ("simpler", "rephrased", "direct")


@dataclass(frozen=True, kw_only=True)
class AntiSamples(LanguageDescent):
    """Ordinary training on questions with misleading answers: the training of one round of UnStar."""

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the loss of the misleading answers."""
        return lambda model, draw: task.training_losses(model, forgotten(draw))


@dataclass(frozen=True, kw_only=True)
class UnStar(Method):
    """UnStar: rounds of min CE(r | q) on anti-samples, questions q still answered rightly with misleading reasons r.

    A round asks every open question. Where the answer has a word of the truth, a writer explains why a wrong answer is
    the answer, and the explanation is trained on unless it holds the truth; else the question is done. Then every
    question that is done is asked in new words, with a wrong answer of its own, and so on until enough are done for
    every fact. Adapters are merged after each round.

    Args:
        generator: who writes: `self`, the model itself; `template`, which knows patterns alone; the folder or name of
            another language model; in Python also a `lethe.generators.Writer`.
        questions: questions to begin with, for each example of the forget set, its own among them.
        forgotten_questions: how many questions about a fact have to be answered wrongly.
        rounds: most rounds.
        new_tokens: most tokens of an answer.
        leave_out_common: words such as `the` are no sign that the model knows; the release lets them be one.
        epochs: passes over the anti-samples of a round; the release takes 4 steps of 4 samples for each.
        batch_size: anti-samples a step.
        learning_rate: step size.
        neighbours: for each example of the forget set, the retain examples with the most similar questions; those that
            are answered rightly in a round are trained on beside, as the paper's algorithm does. 0 leaves that out, as
            the release does.
        retain_weight: weight of their loss.
        scope: the weights that may move.

    Source: Sinha et al. 2025 (UnStar), arXiv:2410.17050, algorithm 1, and its release. What gives the truth away are
    the words that neither the question nor the wrong answer has, for in most data an answer is a sentence; no samples
    are put aside for validation, for nothing reads them; neighbours are trained on with their own answers.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (CausalLM,)
    intent: ClassVar[str] = "knowledge"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    aims: ClassVar[str] = "suppression"

    generator: str | Writer = ""
    questions: int = 20
    forgotten_questions: int = 50
    rounds: int = 20
    new_tokens: int = 64
    leave_out_common: bool = True
    epochs: int = 16
    batch_size: int = 4
    learning_rate: float = 1e-5
    neighbours: int = 20
    retain_weight: float = 1.0
    scope: Scope = field(default_factory=lambda: LoRA(rank=8, merge=True))

    def requirements(self) -> frozenset[str]:
        """The retain set, unless no neighbours are trained on."""
        return self.needs if self.neighbours else frozenset()

    def check(self) -> None:
        """Raise ConfigurationError where no generator is named, or an option is out of range."""
        require_named(self.generator, type(self).__name__)
        if min(self.questions, self.forgotten_questions, self.rounds, self.new_tokens) < 1:
            raise ConfigurationError("questions, forgotten_questions, rounds and new_tokens must be at least 1")
        if isinstance(self.scope, LoRA) and not self.scope.merge:
            raise ConfigurationError("UnStar merges its adapters after each round; set scope.merge=true")
        if self.neighbours < 0:
            raise ConfigurationError(f"neighbours must not be negative, not {self.neighbours}")
        self._training(kept=bool(self.neighbours)).check()

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the rounds."""
        self.check()
        task = as_causal_lm(problem.task, type(self).__name__)
        facts = asked_of(problem.forget)
        model = copied(problem.model)
        pool = self._seeded(facts, self._writer(problem.model, problem, task, run), run.generator("seed"))
        near = nearest(facts, asked_of(problem.kept), self.neighbours) if self.neighbours else []
        for number in range(self.rounds):
            chance = run.generator("round", number)
            writer = self._writer(model, problem, task, run)
            known = self.ask(model, task, facts, pool, run)
            samples = anti_samples(known, facts, writer, chance)
            if samples:
                kept = self.still_right(model, task, near, run)
                model = self._trained(model, problem, task, samples, kept, run.part(f"round-{number}"))
            if self._enough(pool, len(facts)):
                break
            self.expand(pool, facts, writer, chance)
        return model

    def ask(self, model: nn.Module, task: CausalLM, facts: Sequence[Asked], pool: Pool, run: Run) -> list[Probe]:
        """Move the open questions that are answered wrongly to those that are done, and return the others."""
        texts = self._said(model, task, [probe.question for probe in pool.open], run)
        right = [
            matches(giving_away(facts[p.fact], p), text, {}, self.leave_out_common)
            for p, text in zip(pool.open, texts, strict=True)
        ]
        pool.done += [probe for probe, yes in zip(pool.open, right, strict=True) if not yes]
        pool.open = [probe for probe, yes in zip(pool.open, right, strict=True) if yes]
        return list(pool.open)

    def still_right(self, model: nn.Module, task: CausalLM, near: Sequence[Asked], run: Run) -> list[Asked]:
        """Return the neighbours whose answer is given word for word."""
        said = self._said(model, task, [one.question for one in near], run)
        return [one for one, text in zip(near, said, strict=True) if plain_words(one.answer) == plain_words(text)]

    def _said(self, model: nn.Module, task: CausalLM, questions: Sequence[str], run: Run) -> list[str]:
        prompts = [task.template.given(question, task.tokenizer) for question in questions]
        with run.autocast():
            said = greedy(model, prompts, self.new_tokens, task.tokenizer.eos_token_id, device=run.device)
        return [str(task.tokenizer.decode(tokens, skip_special_tokens=True)) for tokens in said]

    def expand(self, pool: Pool, facts: Sequence[Asked], writer: Writer, chance: torch.Generator) -> None:
        """Ask what is done in new words, for facts of which not enough is done."""
        for way in EXPANDING:
            due = [p for p in list(pool.done) if self._missing(pool, p.fact)]
            pairs = [Asked(probe.question, facts[probe.fact].answer) for probe in due]
            self._add(pool, facts, [p.fact for p in due], writer.questions(pairs, way, chance), writer, chance)

    def _seeded(self, facts: Sequence[Asked], writer: Writer, chance: torch.Generator) -> Pool:
        pool = Pool([], [], set())
        self._add(pool, facts, range(len(facts)), [one.question for one in facts], writer, chance)
        for turn in range(self.questions - 1):
            written = writer.questions(facts, EXPANDING[turn % len(EXPANDING)], chance)
            self._add(pool, facts, range(len(facts)), written, writer, chance)
        return pool

    def _add(
        self, pool: Pool, facts: Sequence[Asked], numbers: Sequence[int], questions: Sequence[str], writer: Writer,
        chance: torch.Generator,
    ) -> None:  # fmt: skip
        """Add the questions that are new and ask for the same, each with a wrong answer of its own."""
        new: list[tuple[int, str]] = []
        for fact, question in zip(numbers, questions, strict=True):
            key = (fact, question.strip().lower())
            if question.strip() and key not in pool.known and is_about(facts[fact], question):
                pool.known.add(key)
                new.append((fact, question.strip()))
        if not new:
            return
        wrong = writer.wrong([Asked(question, facts[fact].answer) for fact, question in new], chance)
        pool.open += [
            Probe(fact, question, answer)
            for (fact, question), answer in zip(new, wrong, strict=True)
            if not holds_answer(answer, facts[fact])
        ]

    def _missing(self, pool: Pool, fact: int) -> int:
        return max(0, self.forgotten_questions - sum(probe.fact == fact for probe in pool.done))

    def _enough(self, pool: Pool, count: int) -> bool:
        return not any(self._missing(pool, fact) for fact in range(count))

    def _writer(self, model: nn.Module, problem: Problem, task: CausalLM, run: Run) -> Writer:
        if isinstance(self.generator, str) and self.generator == OWN:
            return ModelWriter(model, task.tokenizer, task.template, new_tokens=self.new_tokens)
        writer, _ = writer_of(self.generator, run.device, type(self).__name__)
        if isinstance(writer, TemplateWriter) and problem.retain is not None:
            return replace(writer, others=tuple(asked_of(problem.retain)))
        return writer

    def _training(self, kept: bool) -> AntiSamples:
        return AntiSamples(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, schedule="constant",
            warmup_epochs=0.0, retain="nll" if kept else "none", retain_weight=self.retain_weight, scope=self.scope,
        )  # fmt: skip

    def _trained(
        self, model: nn.Module, problem: Problem, task: CausalLM, samples: Sequence[Asked], kept: Sequence[Asked],
        run: Run,
    ) -> nn.Module:  # fmt: skip
        forget = answered(task, "anti", samples)
        retain = answered(task, "kept", kept) if kept else None
        return self._training(bool(kept)).unlearn(replace(problem, model=model, forget=forget, retain=retain), run)
