"""Language models from disk: a Hugging Face model folder becomes a network, its tokenizer and its context."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lethe import adapters
from lethe.errors import InputError, LetheWarning
from lethe.models import check_finite
from lethe.sources.checkpoint import UNREADABLE, check_whole, load_checkpoint, model_of, quiet_libraries, shortened
from lethe.sources.kinds import kind_of

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tokenizer_config.json")
UNLIMITED = 10**9  # what tokenizers without a limit say is far above


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A trained causal language model.

    Attributes:
        network: the model, in eval mode, on the CPU.
        tokenizer: the tokenizer of transformers that belongs to it.
        context: the longest sequence it reads, in tokens; None where neither it nor the tokenizer says.
    """

    network: nn.Module
    tokenizer: Any
    context: int | None


def load_language_model(source: str, dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Load a model folder, or a model of the hub by its name (`owner/name`), without running any code it brings.

    A run folder of lethe stands for the model in it. A folder with a LoRA adapter stands for the model the adapter was
    trained on, with the adapter merged into its weights.

    Raises:
        InputError: there is no such model, it is no causal language model, its weights are missing, truncated, pickled,
            of another architecture or not finite, or its tokenizer is missing or of another model.
    """
    source = model_of(source)
    network = load_language_network(source, dtype)
    tokenizer = load_tokenizer(source)
    check_fit(tokenizer, network, source)
    if tokenizer.eos_token_id is None:
        warnings.warn(f"{source}: the tokenizer has no end-of-sequence token; answers end without one", LetheWarning, 2)
    return LanguageModel(network, tokenizer, _context(network, tokenizer))


def load_language_network(source: str, dtype: torch.dtype = torch.float32, merge: bool = True) -> nn.Module:
    """Load the network alone; see `load_language_model`.

    Args:
        source: folder, or name on the hub.
        dtype: type of the weights.
        merge: merge an adapter into the weights; else it stays beside them, as the run that made it left it.
    """
    from transformers import AutoModelForCausalLM

    source = model_of(source)
    kind = kind_of(source)
    if kind != "language model":
        raise InputError(f"{source}: is an {kind}; give a causal language model")
    base = base_of(source)
    if base is None:
        return load_checkpoint(source, AutoModelForCausalLM, "causal language model", dtype)
    network = load_language_network(base, dtype)
    _adapt(network, Path(source), merge)
    return network


def base_of(source: str) -> str | None:
    """Return the model that a LoRA adapter's folder was trained on; None for a folder of whole weights.

    Raises:
        InputError: the adapter is of another kind, or does not name that model.
    """
    path = Path(source) / adapters.CONFIG
    if not path.exists():
        return None
    try:
        facts = json.loads(path.read_text("utf-8"))
        kind, base = facts.get("peft_type"), facts.get("base_model_name_or_path")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: not whole JSON ({shortened(error)}); restore it") from None
    if kind != "LORA":
        raise InputError(f"{path}: is an adapter of type {kind}; give a LoRA adapter, or merge it into its model")
    if not isinstance(base, str) or not base:
        raise InputError(f"{path}: names no base_model_name_or_path; write the model there that it was trained on")
    if Path(base).is_dir() and Path(base).resolve() == Path(source).resolve():
        raise InputError(f"{path}: names its own folder as the model it was trained on; write that model's there")
    return base


def load_tokenizer(source: str) -> Any:
    """Return the tokenizer of a model; an adapter folder without one has that of the model below it.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    local, base = Path(source).is_dir(), base_of(source)
    if local and not any((Path(source) / name).exists() for name in TOKENIZERS):
        if base is not None:
            return load_tokenizer(base)
        raise InputError(f"{source}: holds no tokenizer; put the model's own there: tokenizer.save_pretrained(FOLDER)")
    try:
        with quiet_libraries():
            return AutoTokenizer.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except UNREADABLE as error:
        raise InputError(f"{source}: its tokenizer cannot be read ({shortened(error)}); restore its files") from None


def check_fit(tokenizer: Any, network: nn.Module, source: str) -> None:
    """Raise InputError where the tokenizer is another model's.

    Warns:
        LetheWarning: it knows less than half of the model's tokens.
    """
    language_model: Any = network
    rows = language_model.get_input_embeddings().num_embeddings
    known = tokenizer.get_vocab()
    # Padding is often added to a tokenizer without a row of its own; no sequence of ours holds it.
    beyond = {name: index for name, index in known.items() if index >= rows and index != tokenizer.pad_token_id}
    if beyond:
        name = min(beyond, key=lambda token: (beyond[token], token))
        raise InputError(
            f"{source}: the tokenizer gives '{name}' the number {beyond[name]}, but the model has embeddings for 0 to "
            f"{rows - 1}; put the model's own tokenizer there"
        )
    if not known:
        raise InputError(f"{source}: the tokenizer knows no token; put the model's own there")
    if 2 * len(known) < rows:
        warnings.warn(
            f"{source}: the tokenizer knows {len(known)} tokens, the model {rows}; make sure that they belong together",
            LetheWarning,
            2,
        )


def _adapt(network: nn.Module, folder: Path, merge: bool) -> None:
    """Put the adapter of the folder into the model, in place."""
    if not (folder / adapters.WEIGHTS).exists():
        pickled = " but a pickle, which can run any code" if (folder / "adapter_model.bin").exists() else ""
        raise InputError(f"{folder}: holds no {adapters.WEIGHTS}{pickled}; save the adapter with save_pretrained")
    check_whole(folder)
    with quiet_libraries():
        adapters.load(network, folder)
    if merge:
        adapters.merge(network)
        adapted: Any = network
        # An adapter trained on this model later belongs to it, and not to the model below.
        adapted.name_or_path = str(folder.resolve())
    check_finite(network, str(folder))
    network.eval()


def _context(network: nn.Module, tokenizer: Any) -> int | None:
    config: Any = network.config
    limits = (getattr(config.get_text_config(), "max_position_embeddings", None), tokenizer.model_max_length)
    return min((int(limit) for limit in limits if limit is not None and 0 < limit < UNLIMITED), default=None)
