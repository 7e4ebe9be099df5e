"""Value vectors: what each unit of a language model's MLPs writes into the residual stream, and the tokens it means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError, InputError
from lethe.tasks.causal_lm import CausalLM

NAMES = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out", "ff_out", "w2")
"""What families of models call the matrix that ends an MLP: Llama, GPT-2, GPT-NeoX, OPT and Phi, GPT-J, OLMo."""

TOP, SHARE = 200, 0.1


@dataclass(frozen=True, eq=False)
class ValueMatrix:
    """The matrix W_V that ends the MLP of one block: MLP(x) = W_V f(W_K x) = Σ_j f_j(x) v_j.

    Attributes:
        layer: number of the block, from 0.
        name: name of the parameter in the model.
        module: the layer that owns it.
        rows: whether v_j is row j of the weight, as in GPT-2's Conv1D, and not column j, as in a Linear.
    """

    layer: int
    name: str
    module: nn.Module
    rows: bool

    @property
    def vectors(self) -> Tensor:
        """The value vectors v_j, [units, D], without gradient; a view of the weight."""
        weight = self.module.get_parameter("weight").detach()
        return weight if self.rows else weight.T

    def vector(self, unit: int) -> Tensor:
        """Return v_j of one unit, [D]; raises ConfigurationError where there is no such unit."""
        if not 0 <= unit < len(self.vectors):
            raise ConfigurationError(
                f"the MLP of block {self.layer} has the units 0 to {len(self.vectors) - 1}, there is no unit {unit}; "
                "name one of them, or give the model the vector was found in"
            )
        return self.vectors[unit]

    def only(self, units: list[int]) -> Tensor:
        """Return which entries of the weight belong to these units, boolean, of its shape."""
        weight = self.module.get_parameter("weight")
        flags = torch.zeros(weight.shape, dtype=torch.bool, device=weight.device)
        for unit in units:
            self.vector(unit)
            (flags if self.rows else flags.T)[unit] = True
        return flags


def value_matrices(task: CausalLM, model: nn.Module) -> list[ValueMatrix]:
    """Return the matrix that ends the MLP of each block, from input to output.

    Raises:
        InputError: a block has none under a known name, or several, as mixtures of experts do.
    """
    names = {id(module): name for name, module in model.named_modules()}
    found = []
    for layer, block in enumerate(task.blocks(model)):
        candidates = [
            (name, module)
            for name, module in block.named_modules()
            # GPT-2 has a c_proj in its attention as well.
            if name.split(".")[-1] in NAMES and "attn" not in name and "attention" not in name
        ]
        if len(candidates) != 1:
            raise InputError(
                f"block {layer} of {type(model).__name__} has {len(candidates)} matrices that end an MLP "
                f"(known names: {', '.join(NAMES)}); value vectors are read of models with one a block"
            )
        module = candidates[0][1]
        # transformers' Conv1D keeps its weight as [in, out] and is no Linear.
        found.append(ValueMatrix(layer, f"{names[id(module)]}.weight", module, not isinstance(module, nn.Linear)))
    return found


def read_out(task: CausalLM, model: nn.Module, vectors: Tensor) -> Tensor:
    """Return what vectors say of each token of the vocabulary, E v, [n, V] float32: no norm stands between.

    Args:
        task: how the model is read.
        model: the model whose unembedding E, [V, D], reads them.
        vectors: [n, D].
    """
    weight = task.head(model).get_parameter("weight").detach()
    return vectors.float() @ weight.float().T


def most_said(logits: Tensor, top: int = TOP) -> Tensor:
    """Return the tokens that vectors say loudest, [n, k] by falling logit, k = min(top, ⌈V / 10⌉).

    In a small vocabulary 200 tokens would be all of it, and every vector would say the same.

    Args:
        logits: [n, V], see `read_out`.
        top: most tokens a vector.

    >>> most_said(torch.tensor([[0.1, 3.0, 2.0] + [0.0] * 17]), top=200).tolist()
    [[1, 2]]
    """
    return logits.topk(min(top, math.ceil(SHARE * logits.shape[-1])), dim=-1).indices
