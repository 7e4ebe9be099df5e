"""Concept bank: directions in an encoder's space that stand for concepts, from examples or from words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lethe.errors import ConfigurationError, InputError, nearest
from lethe.examples import Examples

LEAST = 5
"""Fewest examples with a concept, and without it, that an activation vector is learnt from."""


@dataclass(frozen=True, eq=False)
class ConceptBank:
    """Concepts and their directions.

    Attributes:
        names: [M] what the concepts are called.
        vectors: [M, D] their directions, of length 1.
    """

    names: tuple[str, ...]
    vectors: Tensor

    def position(self, name: str) -> int:
        """Return the row of a concept; raises ConfigurationError naming the nearest where there is none."""
        if name not in self.names:
            raise ConfigurationError(f"no concept is called '{name}'{nearest(name, self.names)}")
        return self.names.index(name)

    def scores(self, embeddings: Tensor) -> Tensor:
        """Return c_m = ⟨e, v_m⟩ / ‖v_m‖ of each embedding, [N, M].

        >>> ConceptBank(("a", "b"), torch.eye(2)).scores(torch.tensor([[3.0, -1.0]]))
        tensor([[ 3., -1.]])
        """
        return embeddings @ self.vectors.T


def flags_of(examples: Examples, column: str, names: Sequence[str] = ()) -> tuple[tuple[str, ...], Tensor]:
    """Return what the concepts of a column are called, and which examples show them, [N, M] bool.

    Args:
        examples: the examples.
        column: [N, M] with 1 where an example shows a concept, or [N] with the number of the one that it shows.
        names: what the concepts are called; empty for `COLUMN VALUE`.

    Raises:
        InputError: there is no such column.
        ConfigurationError: there is another number of names.
    """
    values = examples.tensor(column)
    which = values.unique() if values.dim() == 1 else torch.arange(values.shape[1])
    flags = values.unsqueeze(1) == which if values.dim() == 1 else values > 0
    called = tuple(names) or tuple(f"{column} {int(value)}" for value in which)
    if len(called) != flags.shape[1]:
        raise ConfigurationError(f"column '{column}' has {flags.shape[1]} concepts, but {len(called)} names were given")
    return called, flags


def activation_vectors(
    embeddings: Tensor, flags: Tensor, names: Sequence[str], generator: torch.Generator, cost: float = 0.1,
    most: int = 100,
) -> ConceptBank:  # fmt: skip
    """Return a concept activation vector each: the normal of a linear SVM between examples with and without it.

    Args:
        embeddings: [N, D].
        flags: [N, M] whether an example shows a concept.
        names: [M].
        generator: draws the examples.
        cost: C of the support vector machine.
        most: most examples with, and without, a concept.

    Raises:
        InputError: there are fewer than five examples with or without a concept.

    Source: Kim et al. 2018, arXiv:1711.11279; C and counts: Yuksekgonul et al. 2023, arXiv:2205.15480.
    """
    from sklearn.svm import SVC

    data, normals = embeddings.double().numpy(), []
    for name, shows in zip(names, flags.T, strict=True):
        sides = []
        for side, word in ((shows, "with"), (~shows, "without")):
            rows = side.nonzero().flatten()
            if len(rows) < LEAST:
                raise InputError(
                    f"concept '{name}' has {len(rows)} examples {word} it, and {LEAST} are the least it can be learnt "
                    "from; give more, or leave it out"
                )
            sides.append(rows[torch.randperm(len(rows), generator=generator)[:most]].numpy())
        labels = np.repeat([1, 0], [len(side) for side in sides])
        machine = SVC(C=cost, kernel="linear").fit(data[np.concatenate(sides)], labels)
        normals.append(torch.tensor(machine.coef_[0]))
    return ConceptBank(tuple(names), F.normalize(torch.stack(normals).float(), dim=-1))
