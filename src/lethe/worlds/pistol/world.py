"""The contracts world: some contracts to forget from a tiny language model that knows all contracts of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from torch import nn

from lethe.errors import ConfigurationError, nearest
from lethe.examples import Examples
from lethe.tasks import CausalLM, QuestionAnswer
from lethe.worlds.base import Training, World
from lethe.worlds.people.models import Size, untrained
from lethe.worlds.people.tokenizer import tokenizer
from lethe.worlds.pistol.compiler import Row, compiled
from lethe.worlds.pistol.graph import KINDS, Edge, Graph, graph_named
from lethe.worlds.pistol.questions import QUESTIONS

VOCABULARY, CONTEXT = 640, 192


@dataclass(frozen=True)
class Contracts(World):
    """PISTOL's contracts and a tiny Llama that was asked about them; some of them are to be forgotten.

    Examples have the column `edge` beside prompt and answer. Tokens are learnt from the questions without what differs
    between contracts: names, addresses and numbers stay characters, as in a large model they stay pieces of words.

    Args:
        graph: `sample_1`, `sample_2`, or contracts written out, as `sale=A_B,A_C;employment=A_m`.
        forget: the contracts to forget, with commas between.
        layers: blocks of the model.
        width: size of its hidden states.
        epochs: passes over the training data.
        batch_size: examples a step.
        learning_rate: step size at the start.
        split_seed: seed of what the contracts say; the models' seeds are apart from it.
    """

    name: ClassVar[str] = "contracts"
    graph: str = "sample_1"
    forget: str = "A_B"
    layers: int = 2
    width: int = 96
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 3e-3
    split_seed: int = 0

    @property
    def edges(self) -> Graph:
        """The graph."""
        return graph_named(self.graph)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All that is asked of all contracts."""
        return tuple(row for contract in compiled(self.edges, self.split_seed) for row in contract.rows)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer learnt from the questions' own words."""
        return contract_tokenizer()

    @cached_property
    def task(self) -> CausalLM:
        """Questions and answers."""
        return CausalLM(tokenizer=self.tokenizer, template=QuestionAnswer(), context=CONTEXT)

    @property
    def training(self) -> Training:
        """The recipe of the fields."""
        return Training(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)

    def network(self) -> nn.Module:
        """Return an untrained Llama."""
        size = Size(layers=self.layers, width=self.width, hidden=2 * self.width)
        return untrained("llama", size, self.tokenizer, CONTEXT)

    def make_sets(self) -> tuple[Examples, Examples, Examples]:
        """Return what is asked of the contracts to forget, of all others, and of three that nobody ever saw."""
        forgotten = forgotten_edges(self.forget, self.edges.names)
        unseen = Graph(tuple(Edge(f"unseen{i}_new{i}") for i in range(3)))
        holdout = [row for contract in compiled(unseen, self.split_seed) for row in contract.rows]
        return (
            self.examples([row for row in self.rows if row.edge in forgotten]),
            self.examples([row for row in self.rows if row.edge not in forgotten]),
            self.examples(holdout),
        )

    def examples(self, rows: list[Row]) -> Examples:
        """Return rows as examples."""
        counts: dict[str, int] = {}
        ids = []
        for row in rows:
            counts[row.edge] = counts.get(row.edge, 0) + 1
            ids.append(f"{row.edge}-{counts[row.edge]}")
        made = self.task.examples(ids, [row.question for row in rows], [row.answer for row in rows])
        return made.with_column("edge", _objects([row.edge for row in rows]))


def forgotten_edges(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the edges that a text names with commas between.

    Raises:
        ConfigurationError: it names none, one that is not there, or all of them.
    """
    chosen = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in chosen:
        if name not in names:
            raise ConfigurationError(f"there is no contract '{name}'{nearest(name, names)}")
    if not chosen or set(chosen) == set(names):
        raise ConfigurationError(f"'{text}' names {'all' if chosen else 'none'} of the contracts; name some to forget")
    return chosen


def contract_tokenizer() -> Any:
    """Return a tokenizer that knows the words of PISTOL's questions, and spells whatever is put into them."""
    patterns = [question for kind in KINDS for question, _ in QUESTIONS[kind]]
    places = {name: "" for pattern in patterns for name in _places(pattern)}
    asked = [pattern.format(**places) for pattern in patterns]
    return tokenizer([f"Question: {text}\nAnswer: " for text in asked for _ in range(3)], VOCABULARY)


def _places(pattern: str) -> list[str]:
    from string import Formatter

    return [name for _, name, _, _ in Formatter().parse(pattern) if name]


def _objects(values: list[str]) -> Any:
    import numpy as np

    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
