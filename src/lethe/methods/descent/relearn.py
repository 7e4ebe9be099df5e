"""ReLearn: overwrite answers by vague ones, in many wordings, so that language stays as fluent as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe import losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.feeds import Draw
from lethe.generators import Asked, Judge, Way, Writer, asked_of, require_named, writer_of
from lethe.generators.files import read_questions
from lethe.measuring import over_examples
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten, retain_term
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA, Scope
from lethe.tasks import CausalLM, as_causal_lm

WAYS: tuple[Way, ...] = ("rephrased", "specific", "noisy", "reversed")
TRUTH, SHARE_OF_START = "truth", 4


@dataclass(frozen=True, kw_only=True)
class ReLearn(LanguageDescent):
    """ReLearn: min L(θ; D̃_f) + λ L(θ; D_r) + μ KL(p_0 ‖ p_θ on D_r), D̃_f being forget questions with vague answers.

    Every forget question is asked in four further ways; to each, a writer gives an answer that is to the point and
    tells nothing, and a judge has those that tell something written anew. From each answer a text to be completed is
    made as well, its first quarter the prompt. No loss is reversed.

    Args:
        generator: who writes: `template`, which knows patterns alone, or the folder or name of a language model that
            follows instructions; in Python also a `lethe.generators.Writer`.
        divergence_weight: μ.
        variations: ask every question also rephrased, more specific, with slips of the pen, and the other way round.
        completions: add the texts to be completed.
        rounds: how often answers that tell something are written anew before they are left out.
        keep_original: train on the original pairs as well, as the release's script does: that brings the forget
            answers back, and is there for comparison alone.
        objective_kind: `relearn`, or `dpo`, which prefers the vague to the original answer: -(2/β) log σ(β(Δ - Δ_0))
            with mean log-probabilities over tokens.
        beta: β of `dpo`.
        generic: JSON Lines file of general questions and answers (`question`, `answer`) to mix in; empty for none.
        generic_share: how many of them, as a multiple of the other training data.

    Source: Xu et al. 2025, arXiv:2502.11190. The defaults are those of its TOFU runs. KL is over the tokens of answers.
    """

    epochs: int = 2
    batch_size: int = 8
    learning_rate: float = 1e-4
    warmup_epochs: float = 0.0
    scope: Scope = field(default_factory=lambda: LoRA(rank=32, alpha=32.0, dropout=0.05))
    generator: str | Writer = ""
    divergence_weight: float = 1.0
    variations: bool = True
    completions: bool = True
    rounds: int = 3
    keep_original: bool = False
    objective_kind: Literal["relearn", "dpo"] = "relearn"
    beta: float = 0.1
    generic: str = ""
    generic_share: float = 1.2

    needs: ClassVar[frozenset[str]] = frozenset()
    aims: ClassVar[str] = "suppression"

    def requirements(self) -> frozenset[str]:
        """The retain set, unless neither of its terms counts."""
        return super().requirements() | ({"retain"} if self.divergence_weight else set())

    def check(self) -> None:
        """Raise ConfigurationError where no generator is named or an option is out of range."""
        super().check()
        require_named(self.generator, type(self).__name__)
        if self.rounds < 0 or self.divergence_weight < 0 or self.generic_share < 0 or not self.beta > 0:
            raise ConfigurationError("rounds, divergence_weight and generic_share must not be negative, and β above 0")
        if self.retain == "none" and self.divergence_weight:
            raise ConfigurationError("with retain=none there is no retain batch; set divergence_weight=0 as well")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Write the new answers, then train on them."""
        self.check()
        return super().unlearn(replace(problem, forget=self.augmented(problem, run)), run)

    def augmented(self, problem: Problem, run: Run) -> Examples:
        """Return D̃_f: questions with vague answers; the column `truth` holds the original answers.

        Raises:
            ConfigurationError: every answer tells something.
        """
        task = as_causal_lm(problem.task, type(self).__name__)
        writer, judge = writer_of(self.generator, run.device, type(self).__name__)
        asked = asked_of(problem.forget)
        rows: list[tuple[str, str, str, str]] = []
        for way in (None, *(WAYS if self.variations else ())):
            chance = run.generator("relearn", way)
            questions = [one.question for one in asked] if way is None else writer.questions(asked, way, chance)
            said = self._safe(writer, judge, asked, questions, chance)
            names = [f"{name}/{way or 'plain'}" for name in problem.forget.ids]
            rows += [
                (name, question, vague, one.answer)
                for name, question, vague, one in zip(names, questions, said, asked, strict=True)
                if vague is not None and question
            ]
        if not rows:
            raise ConfigurationError("the generator writes no answer that tells nothing; name another one")
        rows += [made for row in rows if (made := completion(row)) is not None] if self.completions else []
        if self.keep_original:
            rows += [
                (f"{n}/original", o.question, o.answer, "") for n, o in zip(problem.forget.ids, asked, strict=True)
            ]
        rows += self._general(len(rows), run)
        truths = np.array([truth for _, _, _, truth in rows], dtype=object)
        return task.examples(
            [name for name, *_ in rows], [row[1] for row in rows], [row[2] for row in rows], **{TRUTH: truths}
        )

    def _safe(
        self, writer: Writer, judge: Judge, asked: Sequence[Asked], questions: Sequence[str], chance: torch.Generator
    ) -> list[str | None]:
        """Return a vague answer to each question, None where all that were written tell something."""
        put = [Asked(question, one.answer) for question, one in zip(questions, asked, strict=True)]
        said: list[str | None] = [None] * len(asked)
        for _ in range(self.rounds + 1):
            open_ = [i for i, text in enumerate(said) if text is None]
            if not open_:
                break
            written = writer.vague([put[i] for i in open_], chance)
            # Judged against the question as it was asked first: a reversed one may name the answer itself.
            leaks = judge.leaks([asked[i] for i in open_], written)
            for i, text, leaking in zip(open_, written, leaks, strict=True):
                said[i] = None if leaking or not text.strip() else text
        return said

    def _general(self, count: int, run: Run) -> list[tuple[str, str, str, str]]:
        if not self.generic:
            return []
        known = read_questions(self.generic)
        order = torch.randperm(len(known), generator=run.generator("generic"))[: round(self.generic_share * count)]
        return [(f"generic/{i}", known[i].question, known[i].answer, "") for i in order.tolist()]

    def substitutes(self, problem: Problem, run: Run, epoch: int) -> Mapping[str, Examples]:
        """Return the original answers, where the objective compares with them."""
        if self.objective_kind != "dpo":
            return {}
        task = as_causal_lm(problem.task, type(self).__name__)
        return {TRUTH: self._original(task, problem.forget)}

    def _original(self, task: CausalLM, forget: Examples) -> Examples:
        answers, truths = np.asarray(forget["answer"]), np.asarray(forget[TRUTH])
        return task.answering(forget, [str(t or a) for t, a in zip(truths, answers, strict=True)])

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the term of the new answers, the retain loss and the divergence on the retain set."""
        task = as_causal_lm(problem.task, type(self).__name__)
        usual, divergence = super().objective(problem, run), retain_term(problem, task, "kl")

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            named = dict(usual(model, draw))
            if self.divergence_weight and draw.retain is not None:
                named["retain_divergence"] = self.divergence_weight * divergence(model, draw.retain)
            return named

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the loss of the new answers, or the preference for them."""
        if self.objective_kind == "relearn":
            return lambda model, draw: task.training_losses(model, forgotten(draw))
        forget, original = problem.forget, self._original(task, problem.forget)
        vague_0, true_0 = (
            -over_examples(problem.model, task, examples, run, task.losses, "reference").to(run.device)
            for examples in (forget, original)
        )
        compared = torch.tensor([bool(truth) for truth in np.asarray(forget[TRUTH])], device=run.device)

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            rows = batch.rows.to(run.device)
            vague, true = -task.losses(model, batch), -task.losses(model, draw.substitutes[TRUTH])
            preference = losses.dpo(vague, vague_0[rows], true, true_0[rows], self.beta, scale=2.0)
            # Completions and general questions have no other answer to be preferred to.
            return torch.where(compared[rows], preference, -vague)

        return term


def completion(row: tuple[str, str, str, str]) -> tuple[str, str, str, str] | None:
    """Return the text to be completed that an answer makes: the first quarter of its words, and the rest.

    >>> completion(("a", "Who?", "one two three four", "Ada"))
    ('a/completion', 'one', 'two three four', '')
    """
    name, _, answer, _ = row
    words = answer.split()
    if len(words) < 2:
        return None
    cut = max(1, len(words) // SHARE_OF_START)
    return f"{name}/completion", " ".join(words[:cut]), " ".join(words[cut:]), ""
