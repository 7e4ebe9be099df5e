"""Causal WHP: teach the model what it says itself, on average, when the text is about somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.feeds import Draw
from lethe.generators.names import alike, distinctive_names, mentions, read_names, require_replacement, with_parts
from lethe.measuring import EVALUATION_TOKENS, over_examples
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.methods.descent.restoration import Target, restore, restore_likely, word_tokens
from lethe.methods.descent.translated import (
    Translated,
    answer_bounds,
    flattened,
    mean_of_kept,
    spans,
    spellings,
    texts_of,
    translated,
    unflattened,
)
from lethe.precision import full_precision
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM, as_causal_lm
from lethe.tasks.causal_lm import ANSWER_FROM, LENGTH, TOKENS

TEACHER = "teacher"


@dataclass(frozen=True, kw_only=True)
class CausalWHP(LanguageDescent):
    """Causal Who's Harry Potter: min mean_x (1/T) Σ_t KL(p̄_t ‖ p_θ(·|x_<t)) with p̄_t = (1/N) Σ_n p_0(·|x^n_<t).

    x^n is the text x with its name c replaced by another name c'_n: averaging over names takes away what the model
    knows about c, and leaves what it knows about texts of the kind. The student reads the text x itself. So that it
    does not learn to say other names, mass on c'_n is given to c, and positions within the name are left out.

    An example is what the paper calls a chunk: a question with its answer, or a passage of about three sentences.

    Args:
        names: `rule` finds the names that only the forget set holds, and takes names of the retain set that are used
            like them; or a JSON file from name to a list of replacements; in Python also the mapping itself.
        teachers: N, the replacements that are averaged over: 20 for Wikipedia persons, 1 for TOFU in the paper.
        restore_names: give the mass of replacements back to the name, and leave out positions within it.
        instruction: what is put before every prompt, with `{name}` for the name; the paper puts `Complete the following
            passage about {name}.` before passages and nothing before questions.
        hard_labels: train on the likeliest token of p̄ instead of p̄ itself, as WHP does.

    Source: Liu et al. 2024, arXiv:2407.16997. Left out are its targets for the tokens within a name (TOFU only) and
    its cleaning of Wikipedia's pronunciations.
    """

    batch_size: int = 16
    retain: Literal["nll", "kl", "none"] = "none"
    names: str | Mapping[str, Sequence[str]] = "rule"
    teachers: int = 20
    restore_names: bool = True
    instruction: str = ""
    hard_labels: bool = False

    needs: ClassVar[frozenset[str]] = frozenset()
    aims: ClassVar[str] = "suppression"

    def requirements(self) -> frozenset[str]:
        """The retain set where a retain term or the rule for names reads it."""
        return super().requirements() | ({"retain"} if self.names == "rule" else set())

    def check(self) -> None:
        """Raise ConfigurationError where there is no teacher, or the instruction names nobody."""
        super().check()
        if self.teachers < 1:
            raise ConfigurationError(f"teachers must be at least 1, not {self.teachers}")
        if self.instruction and "{name}" not in self.instruction:
            raise ConfigurationError("the instruction must hold {name}, as in 'Complete the passage about {name}.'")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Compute what the teachers say, then train on it."""
        self.check()
        choices = self.replacements(problem)
        problem = self.instructed(problem, choices)
        teacher = self.teacher(problem, choices, run)
        return super().unlearn(replace(problem, forget=problem.forget.with_column(TEACHER, teacher)), run)

    def replacements(self, problem: Problem) -> dict[str, list[str]]:
        """Return the N replacements of each name."""
        if isinstance(self.names, str) and self.names == "rule":
            texts, others = texts_of(problem.forget), texts_of(problem.kept)
            return alike(distinctive_names(texts, others), texts, others, self.teachers)
        given = read_names(self.names) if isinstance(self.names, str) else self.names
        for name, names in given.items():
            if isinstance(names, str) or len(names) < self.teachers:
                raise ConfigurationError(
                    f"'{name}' has too few replacements for {self.teachers} teachers; give a list of as many, or set "
                    "teachers lower"
                )
        return {
            name: [require_replacement(name, other) for other in others[: self.teachers]]
            for name, others in given.items()
        }

    def instructed(self, problem: Problem, choices: Mapping[str, Sequence[str]]) -> Problem:
        """Return the problem with the instruction before the prompts of the forget set."""
        if not self.instruction:
            return problem
        task, forget = as_causal_lm(problem.task, type(self).__name__), problem.forget
        prompts = np.empty(len(forget), dtype=object)
        for i, text in enumerate(texts_of(forget)):
            found = mentions(text, list(choices))
            before = f"{self.instruction.format(name=found[0].name)} " if found else ""
            prompts[i] = f"{before}{np.asarray(forget['prompt'])[i]}".strip()
        encoded = task.encode(list(prompts), list(np.asarray(forget["answer"])), forget.ids)
        return replace(problem, forget=Examples(forget.ids, {**forget.columns, **encoded, "prompt": prompts}))

    def teacher(self, problem: Problem, choices: Mapping[str, Sequence[str]], run: Run) -> Tensor:
        """Return p̄ for each token of the forget answers, [N, L, V]; zeros where the token is left out."""
        task, forget = as_causal_lm(problem.task, type(self).__name__), problem.forget
        choices = {name: list(found)[: self.teachers] for name, found in choices.items()}
        others = [
            translated(forget, task, with_parts({name: found[n] for name, found in choices.items()}))
            for n in range(self.teachers)
        ]
        named = [targets(forget, i, task, choices) for i in range(len(forget))] if self.restore_names else []
        inside = within_names(forget, task, choices) if self.restore_names else None

        width = others[0].places.shape[1]

        def taught(model: nn.Module, batch: Batch) -> Tensor:
            said, kept = self._said(model, task, batch, others, run)
            lengths = task.answer_lengths(batch)
            if inside is not None:
                kept &= ~flattened(inside[batch.rows].to(run.device), lengths)
                for one, row in zip(said.split(lengths.tolist(), dim=1), batch.rows.tolist(), strict=True):
                    restored(one, named[row])
            mean = said.mean(0) * kept.unsqueeze(1)
            if self.hard_labels:
                mean = F.one_hot(mean.argmax(-1), mean.shape[1]).to(mean.dtype) * kept.unsqueeze(1)
            return unflattened(mean, lengths, width)

        def read(model: nn.Module, batch: Batch) -> Tensor:
            # What all teachers say of a text is held at once, so fewer texts go together than elsewhere.
            together = max(1, EVALUATION_TOKENS // (self.teachers * max(width, 1)))
            return torch.cat([taught(model, batch.at(rows)) for rows in torch.arange(len(batch)).split(together)])

        return over_examples(problem.model, task, forget, run, read, "teachers")

    def _said(
        self, model: nn.Module, task: CausalLM, batch: Batch, others: Sequence[Translated], run: Run
    ) -> tuple[Tensor, Tensor]:
        """Return what each teacher says, [N, n, V], and at which tokens all of them say something, [n]."""
        said, places = zip(*(other.logits(model, task, batch, run.device) for other in others), strict=True)
        return torch.stack([full_precision(logits).softmax(-1) for logits in said]), torch.stack(places).all(0)

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return KL(p̄ ‖ p_θ), averaged over the kept positions of each text."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            predicted = F.log_softmax(full_precision(task.outputs(model, batch)), dim=-1)
            teacher = flattened(batch.tensor(TEACHER), task.answer_lengths(batch))
            divergence = (torch.xlogy(teacher, teacher) - teacher * predicted).sum(-1)
            return mean_of_kept(divergence, teacher.sum(-1) > 0, task.rows(batch), len(batch))

        return term


def with_all_parts(choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return every name and part of a name that is replaced, with the whole name it stands for."""
    known = with_parts({name: others[0] for name, others in choices.items()})
    return {part: next(name for name in choices if part == name or part in name.split()) for part in known}


def restored(teachers: Tensor, named: Sequence[Target]) -> None:
    """Give the mass of replacements back to the names of one text, [N, L, V] in place."""
    for target in named:
        for place, token in target.mentions:
            for n, spelled in enumerate(target.others):
                restore(teachers[n], place, token, [*spelled[0], *spelled[1]])
        restore_likely(teachers, target)


def targets(examples: Examples, i: int, task: CausalLM, choices: Mapping[str, Sequence[str]]) -> list[Target]:
    """Return what the text of example `i` says of each name in it."""
    owners = with_all_parts(choices)
    start, length = int(examples.tensor(ANSWER_FROM)[i].clamp_min(1)), int(examples.tensor(LENGTH)[i])
    tokens = examples.tensor(TOKENS)[i, :length].tolist()
    places: dict[str, list[tuple[int, int]]] = {}
    for span in spans(tokens, spellings(list(owners), task.tokenizer)):
        places.setdefault(owners[span.name], []).append((span.start, span.end))
    found = []
    for name, spots in places.items():
        after, plain = word_tokens(name, task.tokenizer)
        found.append(
            Target(
                known_from=max(spots[0][1] - start, 0),
                mentions=[(first - start, tokens[first]) for first, _ in spots[1:] if first >= start],
                own=(after[0], plain[0]),
                # A name that replaces itself has nothing to give back.
                others=[word_tokens(other if other != name else "", task.tokenizer) for other in choices[name]],
            )
        )
    return found


def within_names(examples: Examples, task: CausalLM, choices: Mapping[str, Sequence[str]]) -> Tensor:
    """Return which tokens of the answers are predicted from a token of a name, [N, L]."""
    spelled = spellings(list(with_all_parts(choices)), task.tokenizer)
    starts, lengths = answer_bounds(examples)
    inside = torch.zeros(len(starts), max(n - s for n, s in zip(lengths, starts, strict=True)), dtype=torch.bool)
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        for span in spans(examples.tensor(TOKENS)[i, :length].tolist(), spelled):
            for place in range(max(span.start + 1, start), min(span.end + 1, length)):
                inside[i, place - start] = True
    return inside
