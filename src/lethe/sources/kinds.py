"""Kinds: whether a model folder, or a model of the hub, holds an image classifier or a causal language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from lethe import adapters
from lethe.errors import InputError
from lethe.sources.checkpoint import UNREADABLE, check_config, check_source, model_of, quiet_libraries, shortened

Kind = Literal["image classifier", "language model"]


def kind_of(source: str) -> Kind:
    """Return what kind of model the source is, by the architecture that its config.json names.

    Raises:
        InputError: there is no such model, or it is of another kind; the architecture is named.
    """
    source = model_of(source)
    if (Path(source) / adapters.CONFIG).exists():
        return "language model"
    config = load_config(source)
    kinds = _known()
    for architecture in config.architectures or ():
        found = next((kind for kind, (_, classes) in kinds.items() if architecture in classes), None)
        if found is None:
            raise InputError(
                f"{source}: is a {architecture}; give an image classifier or a causal language model (…ForCausalLM)"
            )
        return found
    for kind, (types, _) in kinds.items():
        if config.model_type in types:
            return kind
    raise InputError(
        f"{source}: is of type '{config.model_type}', of which there is no image classifier and no causal language "
        "model; give one of those"
    )


def load_config(source: str) -> Any:
    """Return the configuration of transformers, without running code that the model brings.

    Raises:
        InputError: there is none, it does not parse, or it needs code of its own.
    """
    from transformers import AutoConfig

    local = check_source(source)
    if local:
        check_config(Path(source))
    try:
        with quiet_libraries():
            return AutoConfig.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except UNREADABLE as error:
        mend = "restore it" if local else "check the name, and whether the hub can be reached"
        raise InputError(f"{source}: its config.json cannot be read ({shortened(error)}); {mend}") from None


def _known() -> dict[Kind, tuple[frozenset[str], frozenset[str]]]:
    """Return model types and class names of each kind, as transformers lists them."""
    from transformers.models.auto import modeling_auto

    tables: dict[Kind, Any] = {
        "image classifier": modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        "language model": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    }
    return {kind: (frozenset(names), frozenset(_flat(names.values()))) for kind, names in tables.items()}


def _flat(values: Any) -> list[str]:
    """Return class names, some of which are listed as tuples of alternatives."""
    return [name for value in values for name in ([value] if isinstance(value, str) else value) if name]
