"""Causal tracing: which hidden states of a language model carry a fact from its subject to its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe import hooks
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.measuring import evaluation
from lethe.tasks.causal_lm import ANSWER_FROM, TOKENS, CausalLM

if TYPE_CHECKING:
    from lethe.run import Run

Kind = Literal["hidden", "mlp", "self_attn"]


@dataclass(frozen=True)
class Fact:
    """A prompt whose next token a model gets right, and where it names its subject.

    Attributes:
        tokens: [T] the prompt.
        answer: the token o that follows.
        subject: positions of the subject's tokens, from the first to the last.
    """

    tokens: Tensor
    answer: int
    subject: tuple[int, ...]


@dataclass(frozen=True)
class Tracing:
    """How facts are traced: noise on the subject's embeddings, and clean states put back one place at a time.

    Args:
        noise: standard deviation of the noise, as a multiple of that of all token embeddings.
        samples: S, noisy copies of a prompt.
        window: neighbouring blocks whose MLP or attention outputs are put back together; hidden states always alone.

    Source: Meng et al. 2022, ROME, arXiv:2202.05262, section 2.
    """

    noise: float = 3.0
    samples: int = 10
    window: int = 10

    def probabilities(
        self,
        model: nn.Module,
        task: CausalLM,
        fact: Fact,
        restored: Sequence[tuple[int, int]],
        kind: Kind,
        generator: torch.Generator,
    ) -> Tensor:
        """Return p(o) with the subject's embeddings noised and clean outputs put back, averaged over the copies.

        Args:
            model: the model, in eval mode.
            task: tells its blocks.
            fact: what is traced.
            restored: (block, position) of every output that is put back; none gives the corrupted p*(o).
            kind: outputs of whole blocks (`hidden`), or of their MLPs or attentions.
            generator: where the noise comes from; the same gives the same noise.

        Returns:
            A scalar.
        """
        outputs = [_output(block, kind) for block in task.blocks(model)]
        clean = self._clean(model, fact, outputs)
        return self._noised(model, fact, _putting_back(outputs, clean, restored), generator)

    def effects(
        self, model: nn.Module, task: CausalLM, fact: Fact, positions: Sequence[int], kind: Kind, run: Run, name: object
    ) -> Tensor:
        """Return the indirect effects p*,clean(o) - p*(o), [blocks, positions].

        Args:
            model: the model, in eval mode.
            task: tells its blocks.
            fact: what is traced.
            positions: where clean outputs are put back, one after the other.
            kind: what is put back; MLPs and attentions in a window of blocks around each.
            run: gives the noise, the same for all places.
            name: of the fact, for the noise.
        """
        outputs = [_output(block, kind) for block in task.blocks(model)]
        clean = self._clean(model, fact, outputs)

        def probability(restored: Sequence[tuple[int, int]]) -> Tensor:
            edits = _putting_back(outputs, clean, restored)
            return self._noised(model, fact, edits, run.generator("tracing", name))

        corrupted, found = probability(()), torch.zeros(len(outputs), len(positions))
        for block in range(len(outputs)):
            for column, position in enumerate(positions):
                run.interrupt_point()
                places = [(other, position) for other in self.around(block, len(outputs), kind)]
                found[block, column] = (probability(places) - corrupted).cpu()
        return found

    def around(self, block: int, blocks: int, kind: Kind) -> range:
        """Return the numbers of the blocks whose outputs are put back together, of so many blocks in all."""
        if kind == "hidden":
            return range(block, block + 1)
        first = block - self.window // 2
        return range(max(0, first), min(blocks, first + self.window))

    def _clean(self, model: nn.Module, fact: Fact, outputs: Sequence[nn.Module]) -> dict[int, Tensor]:
        with hooks.reading(dict(enumerate(outputs))) as seen, evaluation(model):
            model(input_ids=fact.tokens.unsqueeze(0), use_cache=False)
        return seen

    def _noised(
        self, model: nn.Module, fact: Fact, edits: dict[nn.Module, hooks.Edit], generator: torch.Generator
    ) -> Tensor:
        embedding = model.get_input_embeddings()  # type: ignore[operator]
        spread = self.noise * float(embedding.weight.detach().float().std())
        shape = (self.samples, len(fact.subject), embedding.weight.shape[1])
        noise = spread * torch.randn(shape, generator=generator)

        def corrupt(embedded: Tensor) -> Tensor:
            changed = embedded.clone()
            changed[:, list(fact.subject)] += noise.to(changed)
            return changed

        repeated = fact.tokens.unsqueeze(0).repeat(self.samples, 1)
        with hooks.replacing({embedding: corrupt, **edits}), evaluation(model):
            logits: Tensor = model(input_ids=repeated, use_cache=False)["logits"][:, -1]
        return logits.float().softmax(-1)[:, fact.answer].mean()


def facts(model: nn.Module, task: CausalLM, examples: Examples, subject: str, run: Run) -> dict[str, Fact]:
    """Return by id the examples that can be traced: they name their subject, and the model knows how to answer.

    Args:
        model: predicts the first token of each answer.
        task: reads the examples.
        examples: with prompts and answers.
        subject: name of the column with the text of the subject.
        run: the device.

    Raises:
        InputError: there is no such column, or not one example can be traced.
    """
    if subject not in examples.columns:
        raise InputError(f"the forget set has no column '{subject}' that names what each prompt is about; add it")
    found: dict[str, Fact] = {}
    for row, text in enumerate(np.asarray(examples[subject])):
        start = int(examples.tensor(ANSWER_FROM)[row])
        tokens = examples.tensor(TOKENS)[row, : start + 1].long()
        places = subject_places(str(text), tokens[:start].tolist(), task)
        if not places:
            continue
        with evaluation(model):
            said = model(input_ids=tokens[:start].unsqueeze(0).to(run.device), use_cache=False)["logits"][0, -1]
        if int(said.argmax()) == int(tokens[start]):
            found[examples.ids[row]] = Fact(tokens[:start].to(run.device), int(tokens[start]), places)
    if not found:
        raise InputError(
            f"no forget example can be traced: none names its '{subject}' in the prompt and begins its answer rightly; "
            "name the layers instead"
        )
    return found


def subject_places(subject: str, tokens: Sequence[int], task: CausalLM) -> tuple[int, ...]:
    """Return the last place where the subject's tokens stand, with or without a space before them."""
    for text in (f" {subject}", subject):
        wanted = task.tokenizer(text, add_special_tokens=False)["input_ids"]
        for start in reversed(range(len(tokens) - len(wanted) + 1)):
            if wanted and list(tokens[start : start + len(wanted)]) == wanted:
                return tuple(range(start, start + len(wanted)))
    return ()


def _output(block: nn.Module, kind: Kind) -> nn.Module:
    if kind == "hidden":
        return block
    known = dict(block.named_children())
    if kind not in known:
        raise ConfigurationError(f"a block has no module '{kind}' to trace; it has {', '.join(known)}")
    return known[kind]


def _putting_back(
    outputs: Sequence[nn.Module], clean: dict[int, Tensor], restored: Sequence[tuple[int, int]]
) -> dict[nn.Module, hooks.Edit]:
    def edit(block: int, positions: list[int]) -> Callable[[Tensor], Tensor]:
        def put_back(output: Tensor) -> Tensor:
            changed = output.clone()
            changed[:, positions] = clean[block][:, positions]
            return changed

        return put_back

    blocks = {block for block, _ in restored}
    return {outputs[block]: edit(block, [p for b, p in restored if b == block]) for block in sorted(blocks)}
