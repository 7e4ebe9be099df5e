"""A scope that names modules of some blocks of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lethe.errors import ConfigurationError
from lethe.scopes.base import Mask, Scope
from lethe.tasks.causal_lm import as_causal_lm

if TYPE_CHECKING:
    from torch import nn

    from lethe.problem import Problem
    from lethe.run import Run


@dataclass(frozen=True)
class Blocks(Scope):
    """The parameters of some modules in some blocks of a language model may move.

    Args:
        layers: numbers of the blocks, from 0; empty for all.
        modules: names of modules within a block, as `mlp.down_proj` or `self_attn`; empty for the whole block.
    """

    layers: tuple[int, ...] = ()
    modules: tuple[str, ...] = ()

    def mask(self, problem: Problem, run: Run) -> Mask:
        """Return the mask.

        Raises:
            ConfigurationError: a block or module does not exist, or the problem has no language model.
        """
        return block_mask(problem, self.layers, self.modules, type(self).__name__)


def block_mask(problem: Problem, layers: tuple[int, ...], modules: tuple[str, ...], who: str) -> Mask:
    """Return the mask of the named modules in the blocks; see `Blocks`."""
    blocks = as_causal_lm(problem.task, who).blocks(problem.model)
    unknown = [layer for layer in layers if not 0 <= layer < len(blocks)]
    if unknown:
        raise ConfigurationError(f"there is no block {unknown[0]}: the model has the blocks 0 to {len(blocks) - 1}")
    moving: set[int] = set()
    for layer in layers or range(len(blocks)):
        block = blocks[layer]
        for module in _named(block, modules, layer):
            moving |= {id(parameter) for parameter in module.parameters()}
    return Mask({name: id(parameter) in moving for name, parameter in problem.model.named_parameters()})


def _named(block: nn.Module, modules: tuple[str, ...], layer: int) -> list[nn.Module]:
    known = dict(block.named_modules())
    for name in modules:
        if name not in known:
            weighted = sorted(n for n, module in known.items() if n and any(True for _ in module.parameters()))
            raise ConfigurationError(f"block {layer} has no module '{name}'; it has {', '.join(weighted)}")
    return [known[name] for name in modules] if modules else [block]
