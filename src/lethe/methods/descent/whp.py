"""Who's Harry Potter: fine-tune on what a model that never read the text would say in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.feeds import Draw
from lethe.generators.names import alike, distinctive_names, drawn, read_names, require_replacement, with_parts
from lethe.measuring import over_examples
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, forgotten
from lethe.methods.descent.translated import (
    answer_bounds,
    first_tokens,
    flattened,
    mean_of_kept,
    spans,
    spellings,
    texts_of,
    translated,
    unflattened,
)
from lethe.methods.edits.negmerge import ForgetFineTune
from lethe.precision import full_precision
from lethe.problem import Problem
from lethe.run import Run
from lethe.segments import length_of_rows
from lethe.tasks import CausalLM, as_causal_lm
from lethe.tasks.causal_lm import TOKENS

GENERIC, LEFT_OUT = "generic", -100


@dataclass(frozen=True, kw_only=True)
class WHP(LanguageDescent):
    """Who's Harry Potter (WHP): min CE(p_θ(·|x_<t), y_t) with the labels y of a model that does not know the text.

    y_t = argmax [v_0(x̃) - α ReLU(v_r(x) - v_0(x))]_t with the logits v_0 of the original and v_r of a reinforced model,
    which is the original trained further on the text x; x̃ is x with every anchor (a name that gives the text away)
    replaced by a generic one. The labels are computed once; the reinforced model is gone before the training begins.

    A position is left out of the loss where x̃ has none that predicts the same word, and where an anchor is named
    again. From the first mention of an anchor on the logits of its replacement are lowered, so that the model does not
    learn to tell of somebody else. The loss is the mean over the positions of each text, then over texts.

    Args:
        anchors: `rule` finds the names that only the forget set holds and replaces each by one of the retain set that
            is used like it; or a JSON file from anchor to replacement; in Python also the mapping itself, which may be
            empty.
        alpha: α, how strongly words that the reinforced model raises are avoided.
        lowered: how far the logits of replacements are lowered; 0 leaves them.
        reinforce_epochs: passes over the text that reinforce; 0 takes the original in place of the reinforced model.
        reinforce_learning_rate: step size of these passes.

    Source: Eldan and Russinovich 2023, arXiv:2310.02238. The value of `lowered` is that of Liu et al. 2024,
    arXiv:2407.16997, whose release re-implements it.
    """

    epochs: int = 2
    batch_size: int = 128
    learning_rate: float = 1e-6
    warmup_epochs: float = 0.0
    retain: Literal["nll", "kl", "none"] = "none"
    anchors: str | Mapping[str, str] = "rule"
    alpha: float = 5.0
    lowered: float = 5.0
    reinforce_epochs: int = 3
    reinforce_learning_rate: float = 3e-6

    needs: ClassVar[frozenset[str]] = frozenset()
    aims: ClassVar[str] = "suppression"

    def requirements(self) -> frozenset[str]:
        """The retain set where a retain term or the rule for anchors reads it."""
        return super().requirements() | ({"retain"} if self.anchors == "rule" else set())

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if self.alpha < 0 or self.lowered < 0 or self.reinforce_epochs < 0:
            raise ConfigurationError(
                f"alpha, lowered and reinforce_epochs must not be negative, not {self.alpha}, {self.lowered} and "
                f"{self.reinforce_epochs}"
            )

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Label the forget set, then fine-tune on the labels."""
        self.check()
        labels = self.labels(problem, run)
        return super().unlearn(replace(problem, forget=problem.forget.with_column(GENERIC, labels)), run)

    def substitutes_of(self, problem: Problem, run: Run) -> dict[str, str]:
        """Return the replacement of each anchor."""
        if isinstance(self.anchors, str) and self.anchors == "rule":
            texts, others = texts_of(problem.forget), texts_of(problem.kept)
            found = alike(distinctive_names(texts, others), texts, others, 1)
            return with_parts(drawn(found, run.generator("anchors")))
        given = read_names(self.anchors) if isinstance(self.anchors, str) else self.anchors
        return {name: require_replacement(name, other) for name, other in given.items()}

    def labels(self, problem: Problem, run: Run) -> Tensor:
        """Return the generic label of each token of the forget answers, [N, L] int64; -100 where it is left out."""
        task = as_causal_lm(problem.task, type(self).__name__)
        names = self.substitutes_of(problem, run)
        other = translated(problem.forget, task, names)
        rules = consistency(problem.forget, task, names)
        reinforced = self.reinforced(problem, run)
        width = other.places.shape[1]

        def read(model: nn.Module, batch: Batch) -> Tensor:
            base, raised = task.outputs(model, batch), task.outputs(reinforced, batch)
            moved, found = other.logits(model, task, batch, run.device)
            logits = generic_logits(moved, base, raised, self.alpha)
            lengths = task.answer_lengths(batch)
            kept = found & ~flattened(rules.repeated[batch.rows].to(run.device), lengths)
            chosen = rules.lower(logits, batch.rows, task.rows(batch), self.lowered).argmax(-1)
            return unflattened(chosen.where(kept, LEFT_OUT), lengths, width)

        return over_examples(problem.model, task, problem.forget, run, read, "generic labels")

    def reinforced(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model trained further on the text."""
        if not self.reinforce_epochs:
            return problem.model
        tuning = ForgetFineTune(
            epochs=self.reinforce_epochs, batch_size=self.batch_size, learning_rate=self.reinforce_learning_rate,
            optimizer=self.optimizer, weight_decay=self.weight_decay, micro_batch=self.micro_batch,
            checkpointing=self.checkpointing,
        )  # fmt: skip
        return tuning.unlearn(problem, run.part("reinforced"))

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the cross-entropy to the generic labels, averaged over the positions of each text."""

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            logits = full_precision(task.outputs(model, batch))
            labels = flattened(batch.tensor(GENERIC), task.answer_lengths(batch))
            losses = F.cross_entropy(logits, labels, reduction="none", ignore_index=LEFT_OUT)
            return mean_of_kept(losses, labels != LEFT_OUT, task.rows(batch), len(batch))

        return term


def generic_logits(moved: Tensor, base: Tensor, reinforced: Tensor, alpha: float) -> Tensor:
    """Return the logits of a model that does not know the text, v_0(x̃) - α ReLU(v_r(x) - v_0(x)).

    Args:
        moved: [n, V] the original's logits on the text with generic names.
        base: [n, V] the original's logits on the text.
        reinforced: [n, V] the reinforced model's logits on the text.
        alpha: α.

    Returns:
        [n, V] logits.

    Source: Eldan and Russinovich 2023, arXiv:2310.02238, section 3.

    >>> v = torch.tensor([[3.0, 1.0, 0.0]])
    >>> generic_logits(v, v, torch.tensor([[4.0, 0.0, 0.0]]), 5.0)
    tensor([[-2.,  1.,  0.]])
    """
    return full_precision(moved) - alpha * F.relu(full_precision(reinforced) - full_precision(base))


@dataclass(frozen=True, eq=False)
class Consistency:
    """What keeps labels from telling two stories in one text.

    Attributes:
        repeated: [N, L] whether the answer's token begins an anchor that was named before.
        lowering: for each example (first token, tokens): from this token of the answer on these are not to be said.
    """

    repeated: Tensor
    lowering: Sequence[Sequence[tuple[int, Sequence[int]]]] = field(default_factory=tuple)

    def lower(self, logits: Tensor, examples: Tensor, rows: Tensor, amount: float) -> Tensor:
        """Return the logits [n, V] with those of replacements lowered.

        Args:
            logits: [n, V] of the answers' tokens.
            examples: [B] which examples they belong to.
            rows: [n] the place in the batch of each token's example.
            amount: how far.
        """
        made = logits.clone()
        firsts = torch.searchsorted(rows, torch.arange(len(examples), device=rows.device)).tolist()
        lengths = length_of_rows(rows, len(examples)).tolist()
        for first, length, example in zip(firsts, lengths, examples.tolist(), strict=True):
            unsaid = logits.new_zeros(length, logits.shape[1])
            for start, tokens in self.lowering[example]:
                unsaid[start:, list(tokens)] = amount
            made[first : first + length] -= unsaid
        return made


def consistency(examples: Examples, task: CausalLM, substitutes: Mapping[str, str]) -> Consistency:
    """Return where anchors are named again, and which tokens must not be said from where on."""
    spelled = spellings(list(substitutes), task.tokenizer)
    replacing = {name: first_tokens(other, task.tokenizer) for name, other in substitutes.items()}
    starts, lengths = answer_bounds(examples)
    width = max((n - s for n, s in zip(lengths, starts, strict=True)), default=0)
    repeated = torch.zeros(len(examples), width, dtype=torch.bool)
    lowering: list[list[tuple[int, Sequence[int]]]] = []
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        seen: dict[str, int] = {}
        for span in spans(examples.tensor(TOKENS)[i, :length].tolist(), spelled):
            if span.name in seen and span.start >= start:
                repeated[i, span.start - start] = True
            seen.setdefault(span.name, span.end)
        lowering.append([(max(end - start, 0), replacing[name]) for name, end in seen.items()])
    return Consistency(repeated, lowering)
