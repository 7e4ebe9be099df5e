"""The world of contracts: PISTOL's compiler of linked facts, and tiny language models that know them."""

from lethe.worlds.pistol.compiler import Contract, compiled
from lethe.worlds.pistol.graph import GRAPHS, Edge, Graph, graph_named
from lethe.worlds.pistol.world import Contracts

__all__ = ["GRAPHS", "Contract", "Contracts", "Edge", "Graph", "compiled", "graph_named"]
