"""Graph: which parties have a contract with each other, and how closely they hang together."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lethe.errors import ConfigurationError, nearest

Kind = Literal["sale", "employment"]
KINDS: tuple[Kind, ...] = ("sale", "employment")
_NAME = re.compile(r"[A-Za-z0-9]+_[A-Za-z0-9]+")


@dataclass(frozen=True)
class Edge:
    """One contract between two parties.

    Args:
        name: both parties, `X_Y`; of an employment the employer first. A digit after a letter, as in `A_C2`, marks
            another party in the same position.
        kind: `sale` or `employment`.

    Raises:
        ConfigurationError: the name is not of that form, or names one party twice.
    """

    name: str
    kind: Kind = "sale"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.parties[0] == self.parties[1]:
            raise ConfigurationError(f"'{self.name}' is no contract; name two different parties, as A_B")
        if self.kind not in KINDS:
            raise ConfigurationError(
                f"'{self.kind}' is no kind of contract{nearest(self.kind, KINDS)}; take one of {KINDS}"
            )

    @property
    def parties(self) -> tuple[str, str]:
        """The names of both parties in the graph."""
        first, second = self.name.split("_")
        return first, second


@dataclass(frozen=True)
class Graph:
    """Contracts as edges between parties as nodes.

    Args:
        edges: the contracts.

    Raises:
        ConfigurationError: there is none, two join the same parties (their questions would collide), or somebody
            employed is also a company.
    """

    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        if not self.edges:
            raise ConfigurationError("a graph has at least one contract; name some, as sale=A_B,A_C")
        pairs: dict[frozenset[str], str] = {}
        for edge in self.edges:
            other = pairs.setdefault(frozenset(edge.parties), edge.name)
            if other != edge.name or sum(one.name == edge.name for one in self.edges) > 1:
                raise ConfigurationError(
                    f"'{edge.name}' and '{other}' join the same parties, so that their questions collide; leave one out"
                )
        both = self.people & {party for edge in self.edges for party in edge.parties[: 2 - (edge.kind == "employment")]}
        if both:
            raise ConfigurationError(f"'{min(both)}' is employed and has a company's contract; name two parties")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the edges."""
        return tuple(edge.name for edge in self.edges)

    @cached_property
    def people(self) -> frozenset[str]:
        """The parties that are persons: those employed."""
        return frozenset(edge.parties[1] for edge in self.edges if edge.kind == "employment")

    @property
    def parties(self) -> tuple[str, ...]:
        """All parties, in order of first appearance."""
        return tuple(dict.fromkeys(party for edge in self.edges for party in edge.parties))

    def degree(self, party: str) -> int:
        """Return how many contracts the party has."""
        return sum(party in edge.parties for edge in self.edges)


def parted(names: Sequence[str], forget: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the edges that share a party with the forget set, those linked to it by others alone, and all others.

    >>> parted(["A_B", "A_C", "C_D", "E_F"], ["A_B"])
    (['A_C'], ['C_D'], ['E_F'])
    """
    others = [name for name in names if name not in forget]
    reached = {party for name in forget for party in name.split("_")}
    direct = [name for name in others if reached & set(name.split("_"))]
    while more := {p for n in others if reached & set(n.split("_")) for p in n.split("_")} - reached:
        reached |= more
    linked = [name for name in others if name not in direct and reached & set(name.split("_"))]
    return direct, linked, [name for name in others if name not in direct and name not in linked]


def _edges(kind: Kind, names: str) -> tuple[Edge, ...]:
    return tuple(Edge(name, kind) for name in names.split())


def _sample_2() -> tuple[Edge, ...]:
    """Return three groups of ten: a chain of 9 edges, a semi-dense one of 21, and a clique of 45."""
    chains = [(first + i, first + i + 1) for first in (0, 10) for i in range(9)]
    bridges = [pair for i in range(4) for pair in ((10 + i, 19 - i), (10 + i, 18 - i), (14 - i, 16 + i))]
    clique = [(i, j) for i in range(20, 30) for j in range(i + 1, 30)]
    return tuple(Edge(f"{i}_{j}") for i, j in (*chains, *bridges, *clique))


GRAPHS = {
    "sample_1": Graph(
        _edges("sale", "A_B A_C A_C2 A_C3 B_D B_D2 B_D3 E1_F1 E2_F2 E3_F3")
        + _edges("employment", "A_m A_n A_n2 A_n3 B_p B_p2 B_p3 E1_q1 E2_q2 E3_q3")
    ),
    "sample_2": Graph(_sample_2()),
}
"""The published graphs: 20 contracts around the hubs A and B, and 75 sales in three groups of growing density."""


def graph_named(text: str) -> Graph:
    """Return a published graph by name, or the one that is written out, as `sale=A_B,A_C;employment=A_m`.

    Raises:
        ConfigurationError: there is no such graph, or what is written is none.
    """
    if text in GRAPHS:
        return GRAPHS[text]
    if "=" not in text:
        raise ConfigurationError(
            f"there is no graph '{text}'{nearest(text, GRAPHS)}; write one as sale=A_B,A_C;employment=A_m"
        )
    edges: list[Edge] = []
    for part in filter(None, text.split(";")):
        kind, _, names = part.partition("=")
        known: dict[str, Kind] = {name: name for name in KINDS}
        if kind not in known:
            raise ConfigurationError(
                f"'{kind}' is no kind of contract{nearest(kind, KINDS)}; write sale=… or employment=…"
            )
        edges += (Edge(name.strip(), known[kind]) for name in names.split(",") if name.strip())
    return Graph(tuple(edges))
