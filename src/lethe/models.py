"""Models as values: copy, re-initialise, fingerprint, check, save and load; weights are safetensors only."""

from __future__ import annotations

import copy
import hashlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lethe import adapters
from lethe.ensemble import Ensemble
from lethe.errors import ConfigurationError, InputError, StorageError
from lethe.store import atomic, read_json, write_json

WEIGHTS, MEMBERS = "model.safetensors", "ensemble.json"


def copied(model: nn.Module) -> nn.Module:
    """Return an independent copy of the model: the one that may be changed."""
    return copy.deepcopy(model)


def is_hugging_face(model: nn.Module) -> bool:
    """Whether the model is a transformers model, told without importing transformers for others."""
    module = sys.modules.get("transformers")
    return module is not None and isinstance(model, module.PreTrainedModel)


def reinitialised(model: nn.Module, seed: int) -> nn.Module:
    """Return a copy of the model with newly drawn weights, as before training.

    Raises:
        InputError: a module owns weights but has no `reset_parameters` to draw them again.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if is_hugging_face(model):
            config: Any = model.config
            return type(model)(config)
        fresh = copied(model)
        for name, module in fresh.named_modules():
            if any(True for _ in module.parameters(recurse=False)):
                reset = getattr(module, "reset_parameters", None)
                if reset is None:
                    raise InputError(
                        f"module '{name}' ({type(module).__name__}) has weights but no reset_parameters(); "
                        "add one, or give the problem its own `retrain`"
                    )
                reset()
            elif isinstance(module, nn.modules.batchnorm._NormBase):
                module.reset_running_stats()
        return fresh


def gathered(model: nn.Module, shell: nn.Module) -> nn.Module:
    """Return the shell, a copy of the model from before its weights were spread over processes, with all of them."""
    assign(shell, tensors(model))
    return shell


def whole(value: Tensor) -> Tensor:
    """Return a tensor that is spread over processes as a whole one, on all of them; any other as it is."""
    sharded = sys.modules.get("torch.distributed.tensor")
    if sharded is not None and isinstance(value, sharded.DTensor):
        gathered: Tensor = value.full_tensor()
        return gathered
    return value


def laid_out_like(value: Tensor, other: Tensor) -> Tensor:
    """Return a whole tensor spread over processes as another of its shape is; as it is where that is whole too."""
    sharded = sys.modules.get("torch.distributed.tensor")
    if sharded is None or not isinstance(other, sharded.DTensor) or value.shape != other.shape:
        return value
    spread: Tensor = sharded.distribute_tensor(value.to(other.device), other.device_mesh, other.placements)
    return spread


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return every weight and buffer by name, each shared tensor once, contiguous and on the CPU: what is saved."""
    seen: set[int] = set()
    kept: dict[str, Tensor] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            kept[name] = whole(value.detach()).cpu().contiguous()
    return kept


def moving_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return those of `tensors` that training changes: weights with a gradient, and buffers."""
    fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in tensors(model).items() if name not in fixed}


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over the names, shapes and bits of all weights and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors(model).items()):
        digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return digest.hexdigest()


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models agree in every bit of every weight and buffer."""
    return fingerprint(one) == fingerprint(other)


@contextmanager
def recomputing(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Let a Hugging Face model compute its blocks' activations again for the gradient instead of keeping them.

    Raises:
        ConfigurationError: it is wanted and the model cannot.
    """
    if not wanted:
        yield
        return
    if not is_hugging_face(model) or not model.supports_gradient_checkpointing:
        raise ConfigurationError(f"{type(model).__name__} cannot recompute activations; leave out checkpointing")
    switchable: Any = model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the next version renames both
        switchable.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            switchable.gradient_checkpointing_disable()


def check_finite(model: nn.Module, what: str) -> None:
    """Raise InputError, naming the tensor, where a weight is NaN or infinite."""
    for name, value in tensors(model).items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"{what}: the weights '{name}' hold a NaN or an infinity; take an earlier checkpoint")


def save(model: nn.Module, folder: Path) -> None:
    """Write the model to a folder: a Hugging Face model as its loader expects it, any other as one safetensors file.

    Of a model with adapters that are not merged the adapters alone are written, in the format of peft. An ensemble is
    a folder a member.
    """
    from safetensors.torch import save as serialise

    if adapters.is_adapted(model):
        adapters.save(model, folder)
        return
    if isinstance(model, Ensemble):
        for i, member in enumerate(model.members):
            save(member, folder / str(i))
        write_json(folder / MEMBERS, {"members": len(model.members), "vote": model.vote})
        return
    folder.mkdir(parents=True, exist_ok=True)
    if is_hugging_face(model):
        config: Any = model.config
        atomic(folder / "config.json", config.to_json_string(use_diff=True).encode())
        generation: Any = getattr(model, "generation_config", None)
        if generation is not None:
            atomic(folder / "generation_config.json", generation.to_json_string().encode())
    # Tied weights are stored once; both loaders tie them again.
    atomic(folder / WEIGHTS, serialise(tensors(model), metadata={"format": "pt"}))


def load_weights(model: nn.Module, folder: Path) -> nn.Module:
    """Return a copy of `model` with what `save` wrote there: weights, adapters, or an ensemble of such models."""
    loaded = copied(model)
    if (folder / adapters.CONFIG).exists():
        adapters.load(loaded, folder)
        return loaded
    if (folder / MEMBERS).exists():
        return load_ensemble(folder, lambda member: load_weights(model, member))
    assign(loaded, read_weights(folder / WEIGHTS))
    return loaded


def load_ensemble(folder: Path, load: Callable[[Path], nn.Module]) -> Ensemble:
    """Return the ensemble that `save` wrote to the folder.

    Args:
        folder: where it is.
        load: reads one member's folder.

    Raises:
        StorageError: the list of members is damaged.
    """
    facts = read_json(folder / MEMBERS)
    try:
        return Ensemble([load(folder / str(i)) for i in range(facts["members"])], facts["vote"])
    except (KeyError, TypeError):
        raise StorageError(f"{folder / MEMBERS}: does not name members and vote; unlearn again") from None


def assign(model: nn.Module, values: Mapping[str, Tensor], moving_only: bool = False) -> None:
    """Copy the values into the model's weights and buffers; names and shapes must fit exactly.

    Args:
        model: gets the values.
        values: what `tensors` returned of a model of the same architecture.
        moving_only: they are what `moving_tensors` returned.

    Raises:
        InputError: a weight is missing, unknown, or of another shape.
    """
    own = dict(model.state_dict(keep_vars=True))
    expected = (moving_tensors(model) if moving_only else tensors(model)).keys()
    missing, unknown = sorted(expected - values.keys()), sorted(values.keys() - own.keys())
    if missing or unknown:
        raise InputError(
            f"the weights do not fit the model: missing {missing[:3]}, unknown {unknown[:3]}; "
            "use weights of the same architecture"
        )
    with torch.no_grad():
        for name, value in values.items():
            if own[name].shape != value.shape:
                raise InputError(
                    f"the weights '{name}' have shape {tuple(value.shape)}, the model needs {tuple(own[name].shape)}"
                )
            own[name].copy_(laid_out_like(value, own[name]))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        StorageError: the file is missing, truncated or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise StorageError(f"{path}: no such file; the folder holds no saved weights") from None
    except SafetensorError as error:
        raise StorageError(f"{path}: not a whole safetensors file ({error}); copy it again from its source") from None
