"""PISTOL's data: questions about contracts, each with its edge in the graph, from files or compiled on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.benchmarks.base import BenchmarkData, Row
from lethe.benchmarks.reading import TEXT, Files
from lethe.errors import ConfigurationError, InputError, nearest
from lethe.worlds.pistol import compiled, graph_named
from lethe.worlds.pistol.graph import parted
from lethe.worlds.pistol.world import forgotten_edges

TITLE, HUB, COMPILED, FACTUAL = "PISTOL", "xinchiqiu/PISTOL", "compiled:", "factual_data"
QUESTION, ANSWER, EDGE = "question", "answer", "edge"


def read_pistol(source: str, forget: str, sample: str = "", limit: int = 0, seed: int = 0) -> BenchmarkData:
    """Read a folder with PISTOL's files or the data set of the hub, or compile a graph.

    The tasks are `forget`; `retain`, all other contracts; of these `connected`, which share a party with what is to be
    forgotten, `linked`, which hang together with it through others, and `independent_sales` and
    `independent_employments`, which do not; and `factual`, common knowledge, where there is such a file. A task
    without rows is left out.

    Args:
        source: folder with `sample_data_1.json` (or .jsonl and so on), `owner/name`, or `compiled:` and a graph as
            `graph_named` reads it: `compiled:sample_2`, `compiled:sale=A_B,A_C;employment=A_m`.
        forget: the contracts to forget, with commas between.
        sample: name of the file with the contracts; empty where there is only one.
        limit: contracts kept, those to forget among them; of the others by turns one that hangs together with them and
            one that does not. 0 keeps all.
        seed: what compiled contracts say.

    Raises:
        InputError: a file is missing or damaged, or a row lacks a column.
        ConfigurationError: there is no such graph or contract, or the limit leaves nothing to keep.
    """
    if source.startswith(COMPILED):
        contracts = compiled(graph_named(source.removeprefix(COMPILED)), seed)
        rows: list[Row] = [vars(row) for contract in contracts for row in contract.rows]
        factual: list[Row] = []
    else:
        files = Files(source, TITLE, HUB)
        rows = _contracts(files, sample)
        factual = files.optional(FACTUAL, question=TEXT, answer=TEXT)
    return _arranged(rows, factual, forget, limit)


def _contracts(files: Files, sample: str) -> list[Row]:
    there = [name for name in files.there if name != FACTUAL]
    if sample and there and sample not in there:
        raise ConfigurationError(f"{files.source}: holds no {sample}{nearest(sample, there)}")
    if not sample and len(there) > 1:
        raise ConfigurationError(
            f"{files.source}: holds several samples ({', '.join(there)}); choose one: --set pistol.sample={there[0]}"
        )
    name = sample or (there[0] if there else "sample_data_1")
    rows = files.rows(name, question=TEXT, answer=TEXT, edge=TEXT)
    for number, row in enumerate(rows):
        parties = str(row[EDGE]).split("_")
        if len(parties) != 2 or not all(parties):
            raise InputError(
                f"{files.source}, {name}, row {number}: the edge '{row[EDGE]}' is no pair of parties; write it as A_B"
            )
    return rows


def _arranged(rows: Sequence[Row], factual: Sequence[Row], forget: str, limit: int) -> BenchmarkData:
    by_edge: dict[str, list[Row]] = {}
    for row in rows:
        by_edge.setdefault(str(row[EDGE]), []).append(row)
    forgotten = forgotten_edges(forget, tuple(by_edge))
    kept = [*forgotten, *_limited(tuple(by_edge), forgotten, limit)]
    direct, linked, others = parted([edge for edge in by_edge if edge in kept], forgotten)

    def of(edges: Sequence[str]) -> list[Row]:
        return [row for edge in by_edge if edge in edges for row in by_edge[edge]]

    employments = [edge for edge in others if _is_employment(by_edge[edge])]
    tasks: Mapping[str, Sequence[Row]] = {
        "forget": of(forgotten),
        "retain": of([*direct, *linked, *others]),
        "connected": of(direct),
        "linked": of(linked),
        "independent_sales": of([edge for edge in others if edge not in employments]),
        "independent_employments": of(employments),
        "factual": factual,
    }
    return BenchmarkData(
        of(forgotten), of([*direct, *linked, *others]), tasks={name: some for name, some in tasks.items() if some}
    )


def _limited(edges: tuple[str, ...], forgotten: Sequence[str], limit: int) -> list[str]:
    """Return the other edges that are kept: by turns one that hangs together with the forget set and one apart."""
    if limit and limit <= len(forgotten):
        raise ConfigurationError(f"a limit of {limit} contracts leaves none to retain; take more")
    direct, linked, others = parted(edges, forgotten)
    near = [*direct, *linked]
    turns = [edge for i in range(len(edges)) for some in (near, others) for edge in some[i : i + 1]]
    return turns[: limit - len(forgotten)] if limit else turns


def _is_employment(rows: Sequence[Row]) -> bool:
    return any("employment contract" in str(row[QUESTION]) for row in rows)
