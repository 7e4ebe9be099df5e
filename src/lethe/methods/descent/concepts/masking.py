"""Concept masking: train a language model on its own answers with the words that carry them masked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError, InputError, nearest
from lethe.examples import Examples
from lethe.feeds import Draw
from lethe.generation import greedy
from lethe.methods.descent.concepts.words import masked, name_words, plain, present, ranked, word_scores
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA, Scope
from lethe.tasks import CausalLM, as_causal_lm
from lethe.text.integrated_gradients import Rule, token_attribution


@dataclass(frozen=True, kw_only=True)
class ConceptMasking(LanguageDescent):
    """Concept inference and poisoning of language models: min L(θ; forget questions with masked answers) + λ L(θ; D_r).

    The model's own answers are attributed to their tokens by integrated gradients; shares of words are added up over
    all answers about an entity, and in each answer the `count` first of that ranking that it has are replaced by the
    mask, with the name of the entity.

    Args:
        entity: column with the name of whom a question is about; empty takes all as one, and masks no name.
        answers: `own` masks what the model says, `given` the forget set's answers.
        words: `attributed`, or as a control as many `random` words that say something.
        count: words masked in an answer.
        mask: what stands in their place.
        steps: points of integrated gradients.
        rule: how these are weighed, see `token_attribution`.
        new_tokens: most tokens of an answer.

    Source: Chang et al. 2024, arXiv:2405.15662, and the authors' revised release.
    """

    aims: ClassVar[str] = "suppression"

    epochs: int = 5
    batch_size: int = 8
    learning_rate: float = 1e-4
    scope: Scope = field(default_factory=LoRA)
    entity: str = ""
    answers: Literal["own", "given"] = "own"
    words: Literal["attributed", "random"] = "attributed"
    count: int = 5
    mask: str = "***"
    steps: int = 32
    rule: Rule = "gausslegendre"
    new_tokens: int = 64

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if min(self.count, self.new_tokens) < 1 or self.steps < 2 or not self.mask:
            raise ConfigurationError("count and new_tokens must be at least 1, steps at least 2, and mask not empty")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Mask the answers, then train on them."""
        self.check()
        return super().unlearn(replace(problem, forget=self.masked(problem, run)), run)

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the loss of the masked answers."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            return task.training_losses(model, forgotten(draw))

        return term

    def masked(self, problem: Problem, run: Run) -> Examples:
        """Return the forget questions with masked answers.

        Raises:
            ConfigurationError: there is no such column of entities.
            InputError: the model says nothing that could be masked.
        """
        task, forget = as_causal_lm(problem.task, type(self).__name__), problem.forget
        if self.entity and self.entity not in forget.columns:
            raise ConfigurationError(
                f"the forget set has no column '{self.entity}' of entities{nearest(self.entity, forget.columns)}"
            )
        about = [str(name) for name in np.asarray(forget[self.entity])] if self.entity else [""] * len(forget)
        said = self._said(problem, task, run)
        rankings = self._rankings(problem, task, about, said, run)
        texts = []
        for row, (text, name) in enumerate(zip(said, about, strict=True)):
            chosen = present(text, rankings[name])
            if self.words == "random":
                order = torch.randperm(len(chosen), generator=run.generator("masked words", row))
                chosen = [chosen[i] for i in order.tolist()]
            chosen = chosen[: self.count]
            texts.append(masked(text, [*chosen, *present(text, name_words(name))], self.mask))
        if texts == said:
            raise InputError("no word of the model's answers could be masked: it says nothing about the forget set")
        return task.answering(forget, texts)

    def _prompts(self, problem: Problem, task: CausalLM) -> list[list[int]]:
        return [task.template.given(str(prompt), task.tokenizer) for prompt in np.asarray(problem.forget["prompt"])]

    def _said(self, problem: Problem, task: CausalLM, run: Run) -> list[str]:
        """Return the answers that are masked."""
        if self.answers == "given":
            return [str(answer) for answer in np.asarray(problem.forget["answer"])]
        end = task.tokenizer.eos_token_id
        tokens = greedy(problem.model, self._prompts(problem, task), self.new_tokens, end, device=run.device)
        return [task.tokenizer.decode(row, skip_special_tokens=True).strip() or self.mask for row in tokens]

    def _rankings(
        self, problem: Problem, task: CausalLM, about: list[str], said: list[str], run: Run
    ) -> dict[str, list[str]]:
        """Return the words by what they carry, for each entity."""
        shares: dict[str, list[dict[str, float]]] = {name: [] for name in about}
        prompts = self._prompts(problem, task)
        with run.progress.bar("attributions", len(said)) as bar:
            for prompt, text, name in zip(prompts, said, about, strict=True):
                run.interrupt_point()
                shares[name].append(self._shares(problem.model, task, prompt, text, run))
                run.cost.examples += self.steps
                bar.advance()
        return {name: ranked(answers) for name, answers in shares.items()}

    def _shares(self, model: nn.Module, task: CausalLM, prompt: list[int], text: str, run: Run) -> dict[str, float]:
        tokens = list(task.template.said(text, task.tokenizer))
        if self.words == "random":
            return dict.fromkeys((word for word in map(plain, text.split()) if word), 1.0)
        found = token_attribution(
            model, prompt, tokens, pad=task.tokenizer.pad_token_id, device=run.device, steps=self.steps, rule=self.rule
        )
        # The end of an answer is a token without a word.
        whole = [task.tokenizer.decode(tokens[:i], skip_special_tokens=True) for i in range(len(tokens) + 1)]
        pieces = [after[len(before) :] for before, after in itertools.pairwise(whole)]
        return word_scores(pieces, found.scores.tolist())
