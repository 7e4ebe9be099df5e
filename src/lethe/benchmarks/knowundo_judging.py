"""Who says whether an answer still holds what the reference says: models that the user names, or the words alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.generation import greedy
from lethe.generators.matching import ALIKE, plain_words, similarity
from lethe.generators.prompted import ModelWriter
from lethe.generators.templates import COMMON, words

AT_ONCE = 32
COSINE = 0.8


@dataclass(frozen=True, eq=False)
class Holding:
    """What N answers hold of their references.

    Attributes:
        matches: [N] pairs of an entity of the answer and one of the reference that are alike.
        entities: [N] entities of the reference.
        forgets: [N] bool, whether the reference contradicts what follows from the answer.
        denies: [N] bool, whether the answer contradicts what follows from the reference.
    """

    matches: Tensor
    entities: Tensor
    forgets: Tensor
    denies: Tensor


class Comparison(ABC):
    """Compares answers with references."""

    @abstractmethod
    def compare(self, questions: Sequence[str], references: Sequence[str], said: Sequence[str]) -> Holding:
        """Return what each answer holds of its reference."""


@dataclass(frozen=True)
class ByWords(Comparison):
    """Takes every word that is neither common nor in the question for an entity, and finds no contradiction."""

    def compare(self, questions: Sequence[str], references: Sequence[str], said: Sequence[str]) -> Holding:
        """Return what each answer holds of its reference."""
        matches, entities = [], []
        for question, reference, answer in zip(questions, references, said, strict=True):
            asked = words(question) | COMMON
            wanted, found = ({word for word in plain_words(text) if word not in asked} for text in (reference, answer))
            matches.append(sum(one == other or similarity(one, other) > ALIKE for one in wanted for other in found))
            entities.append(len(wanted))
        none = torch.zeros(len(said), dtype=torch.bool)
        return Holding(torch.tensor(matches), torch.tensor(entities), none, none)


@dataclass(frozen=True)
class ByModels(Comparison):
    """Asks a model of inference for contradictions, one of embeddings for likeness, and one of language for entities.

    Args:
        inference: classifier of premise and hypothesis, one of whose labels is `contradiction`.
        inference_tokenizer: its tokenizer.
        embedder: encoder, whose outputs are averaged over a text's tokens.
        embedder_tokenizer: its tokenizer.
        writer: lists entities; None takes the words that are not common.
        device: where the models work.
    """

    inference: nn.Module = field(repr=False, compare=False)
    inference_tokenizer: Any = field(repr=False, compare=False)
    embedder: nn.Module = field(repr=False, compare=False)
    embedder_tokenizer: Any = field(repr=False, compare=False)
    writer: ModelWriter | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def compare(self, questions: Sequence[str], references: Sequence[str], said: Sequence[str]) -> Holding:
        """Return what each answer holds of its reference; only the answer's entities lose the words of the question."""
        wanted, found = self._entities(references), self._entities(said)
        found = [
            [one for one in some if not words(one) & words(question)]
            for some, question in zip(found, questions, strict=True)
        ]
        vectors = self._vectors(list(dict.fromkeys(one for some in (*wanted, *found) for one in some)))
        matches = [
            sum(float(vectors[one] @ vectors[other]) >= COSINE for one in true for other in own)
            for true, own in zip(wanted, found, strict=True)
        ]
        return Holding(
            torch.tensor(matches),
            torch.tensor([len(some) for some in wanted]),
            self._contradicts(said, references),
            self._contradicts(references, said),
        )

    def _contradicts(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        config: Any = self.inference.config
        label = next(i for i, name in config.id2label.items() if "contradict" in str(name).lower())
        found = []
        for first in range(0, len(premises), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            batch = self.inference_tokenizer(
                list(premises[some]), list(hypotheses[some]), padding=True, truncation=True, return_tensors="pt"
            ).to(self.device)
            with torch.inference_mode():
                found.append((self.inference(**batch)["logits"].argmax(-1) == int(label)).cpu())
        return torch.cat(found)

    def _vectors(self, texts: Sequence[str]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for first in range(0, len(texts), AT_ONCE):
            some = list(texts[first : first + AT_ONCE])
            batch = self.embedder_tokenizer(some, padding=True, truncation=True, return_tensors="pt").to(self.device)
            with torch.inference_mode():
                hidden = self.embedder(**batch)["last_hidden_state"].float()
            held = batch["attention_mask"].unsqueeze(-1)
            means = (hidden * held).sum(1) / held.sum(1)
            found |= dict(zip(some, nn.functional.normalize(means, dim=-1).cpu(), strict=True))
        return found

    def _entities(self, texts: Sequence[str]) -> list[list[str]]:
        if self.writer is None:
            return [[word for word in dict.fromkeys(plain_words(text)) if word not in COMMON] for text in texts]
        asked = [
            f"List the key entities of the text, with commas between. Write the list alone.\nText: {text}"
            for text in texts
        ]
        given = [self.writer.template.given(prompt, self.writer.tokenizer) for prompt in asked]
        end = self.writer.tokenizer.eos_token_id
        made = greedy(self.writer.model, given, self.writer.new_tokens, end, device=self.device)
        lists = [str(self.writer.tokenizer.decode(tokens, skip_special_tokens=True)) for tokens in made]
        return [list(dict.fromkeys(part.strip() for part in one.split(",") if part.strip())) for one in lists]


def load_comparison(inference: str, embedder: str, writer: ModelWriter | None, device: torch.device) -> ByModels:
    """Return the comparison by the models of these folders or names of the hub.

    Raises:
        ConfigurationError: a model cannot be loaded, or none of the classifier's labels is a contradiction.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification

    classifier, first = _loaded(AutoModelForSequenceClassification, inference, "nli", device)
    encoder, second = _loaded(AutoModel, embedder, "embedder", device)
    labels = [str(name) for name in classifier.config.id2label.values()]
    if not any("contradict" in name.lower() for name in labels):
        raise ConfigurationError(
            f"nli {inference}: none of its labels ({', '.join(labels)}) is a contradiction; name a model of inference"
        )
    return ByModels(classifier, first, encoder, second, writer, device)


def _loaded(kind: Any, name: str, option: str, device: torch.device) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    try:
        return kind.from_pretrained(name).to(device).eval(), AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"{option} {name}: cannot be loaded ({reason}); name a folder or a model of the hub"
        ) from None
