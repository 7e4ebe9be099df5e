"""Causal language models: any Hugging Face model that predicts the next token, fed with prompts and answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Batch, Column, Examples
from lethe.precision import full_precision
from lethe.segments import mean_by_row, sum_by_row
from lethe.tasks.base import Task, weighted_layers
from lethe.tasks.drawing import drawn_classes
from lethe.tasks.packing import Span, packable, packed
from lethe.tasks.templates import QuestionAnswer, Template

Answers = tuple[Sequence[int], Sequence[Sequence[int]]]
"""A prompt and its answers, in tokens."""

TOKENS, LENGTH, ANSWER_FROM, POOLED = "tokens", "length", "answer_from", "pooled"


@dataclass(frozen=True)
class CausalLM(Task):
    """Language modelling of answers: a loss counts the tokens of the answer and its end, never prompt or padding.

    An example holds `tokens` [T] (prompt, answer, end; zeros after that), `length`, the number of its tokens, and
    `answer_from`, the position of the first token that it has to say. Sequences are padded on the right, where causal
    attention does not look, so there is no mask and no padding token; the head maps the answer's positions alone.

    Args:
        tokenizer: the tokenizer of transformers that belongs to the model.
        template: how prompt and answer become text.
        context: the longest sequence the model reads, in tokens.
    """

    tokenizer: Any = field(repr=False, compare=False)
    template: Template = field(default_factory=QuestionAnswer)
    context: int = 2048

    def examples(
        self, ids: Sequence[str], prompts: Sequence[str], answers: Sequence[str], **columns: Column
    ) -> Examples:
        """Return tokenised examples, with the texts in the columns `prompt` and `answer`, and further columns.

        Raises:
            InputError: an answer has no token, or an example is longer than the context.
        """
        texts = {"prompt": _objects(prompts), "answer": _objects(answers)}
        return Examples(tuple(ids), {**self.encode(prompts, answers, ids), **texts, **columns})

    def encode(self, prompts: Sequence[str], answers: Sequence[str], names: Sequence[str] = ()) -> dict[str, Tensor]:
        """Return the columns `tokens` [N, T] int32, `length` [N] and `answer_from` [N]; `names` are for messages."""
        given = [self.template.given(prompt, self.tokenizer) for prompt in prompts]
        said = [self.template.said(answer, self.tokenizer) for answer in answers]
        rows = [before + after for before, after in zip(given, said, strict=True)]
        for i, row in enumerate(rows):
            who = f"example '{names[i]}'" if names else f"example {i}"
            if len(row) == max(len(given[i]), 1):
                raise InputError(f"{who} has no token in its answer that could be predicted; write an answer")
            if len(row) > self.context:
                raise InputError(
                    f"{who} has {len(row)} tokens, but the model reads {self.context}; shorten it or leave it out"
                )
        tokens = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.int32)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = torch.tensor(row, dtype=torch.int32)
        return {
            TOKENS: tokens,
            LENGTH: torch.tensor([len(row) for row in rows], dtype=torch.long),
            ANSWER_FROM: torch.tensor([len(row) for row in given], dtype=torch.long),
        }

    def answering(self, examples: Examples, answers: Sequence[str]) -> Examples:
        """Return the same examples, ids and prompts, with other answers."""
        encoded = self.encode(list(np.asarray(examples["prompt"])), answers, examples.ids)
        return Examples(examples.ids, {**examples.columns, **encoded, "answer": _objects(answers)})

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits that predict the answers' tokens, [n, V], example after example; see `targets`, `rows`."""
        tokens, where = self._said(batch)
        before = F.pad(where, (0, 1))  # the positions that predict the answers' tokens
        if not packable(model):
            with self._selected(model, before):
                return model(input_ids=tokens, use_cache=False)["logits"]
        position = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        inside = position < batch.tensor(LENGTH).unsqueeze(1)
        row, places = tokens[inside].unsqueeze(0), position[inside].unsqueeze(0)
        spans = [Span(length) for length in batch.tensor(LENGTH).tolist()]
        with packed(model, spans), self._selected(model, before[inside].unsqueeze(0)):
            return model(input_ids=row, position_ids=places, use_cache=False)["logits"]

    def outputs_after(self, model: nn.Module, groups: Sequence[Answers], device: torch.device) -> Tensor:
        """Return the logits that predict the tokens of several answers to each of several prompts, [n, V].

        A prompt goes through the model once for all its answers. The model has to be one whose batches are not padded
        (`pads`), and no prompt may be empty.

        Args:
            model: the model.
            groups: prompts with their answers, in tokens.
            device: where the model lies.

        Returns:
            Logits in the order of the groups, their answers, and the answers' tokens.
        """
        row: list[int] = []
        places: list[int] = []
        chosen: list[int] = []
        spans = []
        for prompt, answers in groups:
            last = len(row) + len(prompt) - 1
            row += prompt
            places += range(len(prompt))
            for answer in answers:
                # The last token is predicted, and predicts nothing.
                chosen += [last, *range(len(row), len(row) + len(answer) - 1)]
                row += answer[:-1]
                places += range(len(prompt), len(prompt) + len(answer) - 1)
            spans.append(Span(len(prompt), tuple(len(answer) - 1 for answer in answers if len(answer) > 1)))
        tokens, at = (torch.tensor([values], device=device) for values in (row, places))
        index = torch.tensor(chosen, device=device)
        with packed(model, spans), self._selected(model, (torch.zeros_like(index), index)):
            logits: Tensor = model(input_ids=tokens, position_ids=at, use_cache=False)["logits"]
        return logits

    def targets(self, batch: Batch) -> Tensor:
        """Return the answers' tokens, [n] int64."""
        tokens, where = self._said(batch)
        return tokens[:, 1:][where]

    def rows(self, batch: Batch) -> Tensor:
        """Return for each of the answers' tokens the place of its example in the batch, [n] in ascending order."""
        return self._said(batch)[1].nonzero()[:, 0]

    def answer_lengths(self, batch: Batch) -> Tensor:
        """Return the number of tokens each answer has, its end included, [B]."""
        return batch.tensor(LENGTH) - batch.tensor(ANSWER_FROM).clamp_min(1)

    def token_losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return -log p of each of the answers' tokens, [n] float32 or wider."""
        return F.cross_entropy(full_precision(outputs), self.targets(batch), reduction="none")

    def losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean of -log p over the tokens of each answer, [B]."""
        return mean_by_row(self.token_losses_from(outputs, batch), self.rows(batch), len(batch))

    def log_probs_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return log π(answer | prompt), the sum over the tokens of each answer, [B]."""
        return -sum_by_row(self.token_losses_from(outputs, batch), self.rows(batch), len(batch))

    def log_probs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return log π(answer | prompt) of each example, [B]."""
        return self.log_probs_from(self.outputs(model, batch), batch)

    def training_losses_from(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss of each answer weighed by its length, [B]: their mean is the mean over all tokens."""
        return self.losses_from(outputs, batch) * self.pooling(batch)

    def pooling(self, batch: Batch) -> Tensor:
        """Return n_i / mean(n), [B]: means over examples of values so weighed are means over the batch's tokens.

        The mean is that of the whole batch of a step also in the parts it is cut into.
        """
        return batch.tensor(POOLED) if POOLED in batch.columns else _pooling(self.answer_lengths(batch))

    def prepare(self, batch: Batch) -> Batch:
        """Return the batch with each example's weight in a mean over all tokens of the batch."""
        return batch.with_column(POOLED, _pooling(self.answer_lengths(batch)))

    def with_drawn_targets(self, outputs: Tensor, batch: Batch, seed: int) -> Batch:
        """Return the batch with each of the answers' tokens drawn from what the model predicts after the true ones."""
        _, where = self._said(batch)
        drawn = drawn_classes(outputs, batch.rows, self.answer_lengths(batch), seed)
        tokens = batch.tensor(TOKENS).clone()
        places = where.nonzero()
        tokens[places[:, 0], places[:, 1] + 1] = drawn.to(tokens)
        return batch.with_column(TOKENS, tokens)

    def pads(self, model: nn.Module) -> bool:
        """Whether the sequences of a batch are padded to one length."""
        return not packable(model)

    def sizes(self, columns: Mapping[str, Column]) -> Tensor:
        """Return the number of tokens of each example, [N]."""
        lengths = columns[LENGTH]
        assert isinstance(lengths, Tensor)
        return lengths

    def outputs_and_features(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits [n, V], and what enters the head averaged over each answer's positions, [B, D]."""
        seen: list[Tensor] = []
        with self._selected_seen(model, seen):
            logits = self.outputs(model, batch)
        return logits, mean_by_row(seen[0], self.rows(batch), len(batch))

    def head(self, model: nn.Module) -> nn.Module:
        """Return the map from hidden states to the vocabulary.

        Raises:
            InputError: the model is no causal language model of transformers.
        """
        found = getattr(model, "get_output_embeddings", lambda: None)()
        if found is None:
            raise InputError(f"{type(model).__name__} has no language-model head; give a causal language model")
        head: nn.Module = found
        return head

    def blocks(self, model: nn.Module) -> nn.ModuleList:
        """Return the blocks of the decoder, from input to output.

        Raises:
            InputError: the model keeps its blocks in no list of modules.
        """
        config: Any = model.config
        for module in model.modules():
            if isinstance(module, nn.ModuleList) and len(module) == config.num_hidden_layers:
                return module
        raise InputError(f"{type(model).__name__} has no list of {config.num_hidden_layers} blocks")

    def layers(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the linear maps and embeddings by name, from input to output."""
        return weighted_layers(model)

    def check(self, examples: Examples, what: str) -> None:
        """Raise InputError where an example has nothing to say or is longer than the context."""
        lengths, starts = examples.tensor(LENGTH), examples.tensor(ANSWER_FROM)
        silent = (lengths <= starts.clamp_min(1)).nonzero().flatten()
        if len(silent):
            raise InputError(f"{what}: the answer of '{examples.ids[int(silent[0])]}' is empty; write one")
        long = (lengths > self.context).nonzero().flatten()
        if len(long):
            raise InputError(
                f"{what}: '{examples.ids[int(long[0])]}' and {len(long) - 1} others have more than the "
                f"{self.context} tokens the model reads; shorten them or leave them out"
            )

    def _said(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the tokens without common padding, [B, T], and which of tokens 1 … T-1 belong to answers, [B, T-1]."""
        lengths = batch.tensor(LENGTH)
        tokens = batch.tensor(TOKENS)[:, : int(lengths.max())].long()
        position = torch.arange(1, tokens.shape[1], device=tokens.device)
        where = (position >= batch.tensor(ANSWER_FROM).unsqueeze(1)) & (position < lengths.unsqueeze(1))
        return tokens, where

    @contextmanager
    def _selected_seen(self, model: nn.Module, seen: list[Tensor]) -> Iterator[None]:
        """Keep what the head is given in the end, after the positions were selected."""
        handle = self.head(model).register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _selected(self, model: nn.Module, where: Tensor | tuple[Tensor, Tensor]) -> Iterator[None]:
        """Let the head see only the positions that are marked, or named by row and place: one row each, [n, D]."""

        def select(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (inputs[0][where],)

        handle = self.head(model).register_forward_pre_hook(select)
        try:
            yield
        finally:
            handle.remove()


def as_causal_lm(task: Task, who: str) -> CausalLM:
    """Return the task; raises ConfigurationError where it is none that `who`, which reads answers, works on."""
    if not isinstance(task, CausalLM):
        raise ConfigurationError(f"{who} works on language models, and this problem's task is {type(task).__name__}")
    return task


def _pooling(lengths: Tensor) -> Tensor:
    return lengths / lengths.sum() * len(lengths)


def _objects(texts: Sequence[Any]) -> np.ndarray:
    column = np.empty(len(texts), dtype=object)
    column[:] = list(texts)
    return column
