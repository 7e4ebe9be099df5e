"""Squared gradients of single examples, from one backward pass a batch instead of one an example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from lethe.errors import ConfigurationError
from lethe.examples import Batch, Examples
from lethe.scopes.importance import all_trainable

if TYPE_CHECKING:
    from lethe.run import Run

ExampleLosses = Callable[[nn.Module, Batch], Tensor]
Squares = dict[str, Tensor]


def mean_squared_example_gradient(
    model: nn.Module, examples: Examples, losses: ExampleLosses, batch_size: int, run: Run
) -> Squares:
    """Return (1/N) Σ_i (∇ℓ_i)² by parameter name: the diagonal empirical Fisher, whatever the batch size.

    The squares of linear maps, convolutions and norms come from their inputs and output gradients; only the
    parameters that belong to none of these are differentiated example by example (vectorised).

    Args:
        model: the model; neither its weights nor its buffers change (eval mode, where examples do not interact).
        examples: N examples.
        losses: (model, batch) -> [B], one value an example.
        batch_size: examples a pass; changes speed and memory, not the result.
        run: told the progress; its cost counts the examples.
    """
    totals = {n: torch.zeros_like(p, dtype=torch.float32) for n, p in model.named_parameters()}
    with all_trainable(model), run.progress.bar("importance", len(examples)) as bar:
        covered: dict[str, nn.Module] | None = None
        for batch in examples.batches(batch_size):
            run.interrupt_point()
            moved = batch.to(run.device)
            covered = _covered(model, moved, losses) if covered is None else covered
            squares = _layer_squares(model, moved, losses, covered)
            rest = [name for name in totals if name not in squares]
            if rest:
                squares |= _vectorised_squares(model, moved, losses, rest)
            for name, value in squares.items():
                totals[name] += value
            run.cost.examples += len(batch)
            bar.advance(len(batch))
    return {name: total / len(examples) for name, total in totals.items()}


@contextmanager
def _recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, list[tuple[Tensor, Tensor]]]]:
    """Record (input, output) of every call of the modules, by name."""
    calls: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in modules}

    def recorder(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def record(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            calls[name].append((inputs[0].detach(), output))
            # The network goes on with a copy: an activation that works in place would turn the record into its own.
            return output.clone()

        return record

    handles = [module.register_forward_hook(recorder(name)) for name, module in modules.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _covered(model: nn.Module, batch: Batch, losses: ExampleLosses) -> dict[str, nn.Module]:
    """Return the layers with a rule that run once in a pass, on one row an example, and share no weights."""
    uses: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    known = {
        name: module
        for name, module in model.named_modules()
        if _rule(module) and all(uses[id(p)] == 1 for p in module.parameters(recurse=False))
    }
    with torch.no_grad(), _recorded(known) as calls:
        losses(model, batch)
    return {n: known[n] for n, seen in calls.items() if len(seen) == 1 and len(seen[0][0]) == len(batch)}


def _layer_squares(model: nn.Module, batch: Batch, losses: ExampleLosses, covered: Mapping[str, nn.Module]) -> Squares:
    """Return Σ_i (∇ℓ_i)² of the covered layers' parameters."""
    if not covered:
        return {}
    with _recorded(covered) as calls:
        total = losses(model, batch).sum()
    outputs = [calls[name][0][1] for name in covered]
    gradients = torch.autograd.grad(total, outputs, materialize_grads=True)
    squares: Squares = {}
    for (name, module), gradient in zip(covered.items(), gradients, strict=True):
        rule = _rule(module)
        assert rule is not None
        for own, value in rule(module, calls[name][0][0], gradient).items():
            squares[f"{name}.{own}" if name else own] = value.float()
    return squares


def _vectorised_squares(model: nn.Module, batch: Batch, losses: ExampleLosses, names: list[str]) -> Squares:
    """Return Σ_i (∇ℓ_i)² of the named parameters, one gradient an example."""
    text = [name for name, column in batch.columns.items() if not isinstance(column, Tensor)]
    if text:
        raise ConfigurationError(
            f"the column '{text[0]}' holds text, which gradients of single examples cannot be vectorised over; "
            "take batches of one example instead"
        )
    parameters = dict(model.named_parameters())
    wrapped = _Losses(model, losses)

    def loss(chosen: Mapping[str, Tensor], columns: Mapping[str, Tensor]) -> Tensor:
        one = {name: column.unsqueeze(0) for name, column in columns.items()}
        value: Tensor = functional_call(wrapped, {f"model.{name}": p for name, p in chosen.items()}, (one,))
        return value.squeeze(0)

    columns = {name: batch.tensor(name) for name in batch.columns}
    # The fused attention kernels have no batching rule; grad differentiates the chosen weights whatever no_grad says.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        each = vmap(grad(loss), in_dims=(None, 0))({n: parameters[n].detach() for n in names}, columns)
    return {name: value.float().square().sum(0) for name, value in each.items()}


class _Losses(nn.Module):
    """The losses as a module's forward pass, so that its weights can be replaced by others."""

    def __init__(self, model: nn.Module, losses: ExampleLosses) -> None:
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Return the losses of the examples in the columns, [B]."""
        count = len(next(iter(columns.values())))
        return self.losses(self.model, Batch(torch.arange(count), columns))


Rule = Callable[[nn.Module, Tensor, Tensor], Squares]


def _rule(module: nn.Module) -> Rule | None:
    """Return (module, input, output gradient) -> squares for the kinds of layer that have such a formula."""
    if isinstance(module, nn.Linear):
        return _linear
    if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return _convolution
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.affine and module.track_running_stats:
        return _batch_norm
    if isinstance(module, nn.LayerNorm) and module.elementwise_affine and len(module.normalized_shape) == 1:
        return _layer_norm
    return None


def _linear(module: nn.Module, inputs: Tensor, gradient: Tensor) -> Squares:
    if inputs.dim() == 2:  # (g aᵀ)² = g² (a²)ᵀ: no gradient of a single example is ever written out
        weight = gradient.square().t() @ inputs.square()
    else:
        weight = torch.einsum("b...o,b...i->boi", gradient, inputs).square().sum(0)
    return _with_bias(module, weight, _over_positions(gradient))


def _convolution(module: nn.Module, inputs: Tensor, gradient: Tensor) -> Squares:
    assert isinstance(module, nn.Conv2d)
    assert not isinstance(module.padding, str)
    patches = F.unfold(inputs, module.kernel_size, module.dilation, module.padding, module.stride)
    groups = module.groups
    patches = patches.unflatten(1, (groups, -1))
    outputs = gradient.flatten(2).unflatten(1, (groups, -1))
    weight = torch.einsum("bgol,bgil->bgoi", outputs, patches).square().sum(0)
    return _with_bias(module, weight.view_as(module.weight), gradient.flatten(2).sum(-1))


def _batch_norm(module: nn.Module, inputs: Tensor, gradient: Tensor) -> Squares:
    assert isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
    plain = F.batch_norm(inputs, module.running_mean, module.running_var, eps=module.eps)
    product, shift = ((t.flatten(2).sum(-1) if t.dim() > 2 else t) for t in (gradient * plain, gradient))
    return _with_bias(module, product.square().sum(0), shift)


def _layer_norm(module: nn.Module, inputs: Tensor, gradient: Tensor) -> Squares:
    assert isinstance(module, nn.LayerNorm)
    plain = F.layer_norm(inputs, module.normalized_shape, eps=module.eps)
    return _with_bias(module, _over_positions(gradient * plain).square().sum(0), _over_positions(gradient))


def _over_positions(values: Tensor) -> Tensor:
    """Sum [B, ..., D] over everything between, [B, D]."""
    return values.flatten(1, -2).sum(1) if values.dim() > 2 else values


def _with_bias(module: nn.Module, weight: Tensor, shift: Tensor) -> Squares:
    squares = {"weight": weight}
    if module.bias is not None:
        squares["bias"] = shift.square().sum(0)
    return squares
