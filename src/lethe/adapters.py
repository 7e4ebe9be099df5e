"""Low-rank adapters (peft): put them into a model, save and load them, and merge them into its weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lethe.errors import InputError, StorageError
from lethe.store import atomic

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
NAME = "default"
_SAVED = "base_model.model."  # what peft's own loader expects before every name


def is_adapted(model: nn.Module) -> bool:
    """Whether the model has adapters that are not merged."""
    return bool(getattr(model, "peft_config", None))


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside a `PeftModel`, its adapters in place and active; any other model as it is.

    Raises:
        InputError: what was learnt is a prompt before the input, and no part of the model inside.
    """
    peft = sys.modules.get("peft")  # without it there is no such model
    if peft is None or not isinstance(model, peft.PeftModel):
        return model
    wrapper: Any = model
    if wrapper.active_peft_config.is_prompt_learning:
        kind = wrapper.active_peft_config.peft_type.value
        raise InputError(f"{kind} learns a prompt, which is no part of the model; give one whose weights were changed")
    inside: nn.Module = wrapper.get_base_model()
    return inside


def inject(model: nn.Module, targets: Sequence[str], rank: int, alpha: float, dropout: float, seed: int) -> None:
    """Put an adapter c·B·A, c = alpha / rank, beside each target's weight, in place: A random, B zero.

    Args:
        model: gets the adapters; all its own weights are frozen.
        targets: last parts of the names of linear layers.
        rank: rank of the product.
        alpha: scale.
        dropout: share of the adapter's inputs that is dropped in training.
        seed: seed of A.

    Raises:
        InputError: no linear layer has such a name; the names there are, are listed.
    """
    import peft

    known = linear_names(model)
    whole = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    missing = [name for name in targets if name not in known | whole]
    if missing:
        raise InputError(
            f"the model has no linear layer named '{missing[0]}' to adapt; there are: {', '.join(sorted(known))}"
        )
    # peft takes any layer of that name: where one that is not linear has it too, the linear ones are named in full.
    taken = {name.rpartition(".")[2] for name, module in model.named_modules() if not isinstance(module, nn.Linear)}
    same = {name: [own for own in sorted(whole) if own.rpartition(".")[2] == name] for name in targets}
    chosen = [own for name in targets for own in (same[name] if name in taken and name not in whole else [name])]
    scale: Any = alpha  # peft's annotation says int, and any number works
    config = peft.LoraConfig(r=rank, lora_alpha=scale, lora_dropout=dropout, target_modules=chosen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, model, adapter_name=NAME)
    # What is merged later should round as the weights do.
    for layer in adapted_layers(model).values():
        dtype = layer.get_base_layer().weight.dtype
        for _, parameter in layer.named_parameters():
            parameter.data = parameter.data.to(dtype)


def linear_names(model: nn.Module) -> set[str]:
    """Return the last parts of the names of the model's linear layers, without its head."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return {
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }


def adapted_layers(model: nn.Module) -> dict[str, Any]:
    """Return the layers with an adapter (of type `BaseTunerLayer`) by the name they had before."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)}


def adapter_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yield A and B of every adapter."""
    for name, parameter in model.named_parameters():
        if f".{NAME}." in name:
            yield parameter


def factors(layer: Any) -> tuple[Tensor, Tensor, float]:
    """Return A [r, d_in], B [d_out, r] and the scale c of an adapted layer."""
    return layer.lora_A[NAME].weight, layer.lora_B[NAME].weight, layer.scaling[NAME]


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Add every adapter to its weight, W ← W + c·B·A, and take it out, in place."""
    for layer in adapted_layers(model).values():
        layer.merge()
    remove(model)


def remove(model: nn.Module) -> None:
    """Take every adapter out, in place; the weights stay as they are."""
    for name, layer in adapted_layers(model).items():
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], layer.get_base_layer())
    adapted: Any = model
    del adapted.peft_config


@torch.no_grad()
def rebase(model: nn.Module, first: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Make adapters beside W - c·B_0·A_0 adapters of twice the rank beside W, which compute the same, in place.

    B·A - B_0·A_0 is the product of (B, -B_0) and (A; A_0), so the result loads on the original like any adapter.

    Args:
        model: its weights are W already.
        first: A_0 and B_0 by the name of the layer.
    """
    adapted: Any = model
    config = adapted.peft_config[NAME]
    last = {name: factors(layer)[:2] for name, layer in adapted_layers(model).items()}
    remove(model)
    targets = sorted(config.target_modules)
    inject(model, targets, 2 * config.r, 2 * config.lora_alpha, config.lora_dropout, seed=0)
    for name, layer in adapted_layers(model).items():
        a, b, _ = factors(layer)
        (a_now, b_now), (a_first, b_first) = last[name], first[name]
        a.copy_(torch.cat([a_now, a_first.to(a_now)]))
        b.copy_(torch.cat([b_now, -b_first.to(b_now)], dim=1))


def save(model: nn.Module, folder: Path) -> None:
    """Write the adapters alone, in the format of peft: `AutoModelForCausalLM.from_pretrained(folder)` loads them."""
    from safetensors.torch import save as serialise

    adapted: Any = model
    config: Any = adapted.peft_config[NAME]
    facts = {key: sorted(v) if isinstance(v, set) else v for key, v in config.to_dict().items()}
    facts |= {"inference_mode": True, "base_model_name_or_path": getattr(adapted, "name_or_path", "") or None}
    if getattr(adapted, "get_output_embeddings", lambda: None)() is not None:
        facts["task_type"] = "CAUSAL_LM"
    tensors = {_SAVED + name: value for name, value in _weights(model).items()}
    folder.mkdir(parents=True, exist_ok=True)
    atomic(folder / CONFIG, (json.dumps(facts, indent=2, default=str) + "\n").encode())
    atomic(folder / WEIGHTS, serialise(tensors, metadata={"format": "pt"}))


def load(model: nn.Module, folder: Path) -> None:
    """Put the adapters that `save`, or peft, wrote to the folder into the model, in place.

    Raises:
        StorageError: the folder's adapters are damaged, or were made for another model.
    """
    import peft
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = peft.LoraConfig.from_pretrained(str(folder))
        saved = load_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise StorageError(f"{folder}: not a whole adapter ({error}); copy it again from its source") from None
    try:
        peft.inject_adapter_in_model(config, model, adapter_name=NAME)
        found: Any = peft.set_peft_model_state_dict(
            model, {name.removeprefix(_SAVED): value for name, value in saved.items()}, adapter_name=NAME
        )
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StorageError(
            f"{folder}: the adapter does not fit the model ({reason}); give the model it is for"
        ) from None
    if found.unexpected_keys:
        raise StorageError(
            f"{folder}: the adapter holds '{found.unexpected_keys[0]}', which the model lacks; give the model it is for"
        )


def _weights(model: nn.Module) -> dict[str, Tensor]:
    import peft

    state: dict[str, Tensor] = peft.get_peft_model_state_dict(model, adapter_name=NAME)
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}
