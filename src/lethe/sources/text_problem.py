"""A problem of text: a causal language model, and the sets of prompts and answers that it is to forget and to keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.sources.checkpoint import model_of
from lethe.sources.fitting import Fitting, too_long_named
from lethe.sources.inputs import Inputs
from lethe.sources.language import TOKENIZERS, LanguageModel, load_language_model, load_language_network, load_tokenizer
from lethe.sources.templates import template_for, template_named
from lethe.sources.text_columns import further_columns
from lethe.sources.text_sets import read_sets
from lethe.sources.texts import Texts, parse_columns
from lethe.tasks import CausalLM
from lethe.tasks.templates import PlainText, Template


def text_problem(inputs: Inputs) -> Problem:
    """Load the language model and the texts and return the problem, without gold models.

    Raises:
        InputError: whatever is wrong with a file, in one line.
        ConfigurationError: an option does not fit the data, the tokenizer or the others.
    """
    too_long = too_long_named(inputs.too_long)
    # The files before the model: they are read in no time, and are where most mistakes are.
    sets = read_sets(inputs.data, inputs.forget, inputs.retain, inputs.holdout, parse_columns(inputs.columns))
    loaded = load_language_model(inputs.model, torch.bfloat16 if inputs.precision == "bf16" else torch.float32)
    template = _template(inputs, sets, loaded.tokenizer)
    task = CausalLM(tokenizer=loaded.tokenizer, template=template, context=_context(inputs, loaded))
    fitting = Fitting(task, too_long)
    fitted = {which: fitting.fit(texts, _option(which, inputs)) for which, texts in sets.items()}
    columns = further_columns(fitted)
    made = {which: _examples(task, texts, columns[which]) for which, texts in fitted.items()}
    return Problem(
        model=loaded.network, task=task, forget=made["forget"], retain=made.get("retain"), holdout=made.get("holdout")
    )


def load_alike(problem: Problem, task: CausalLM, source: str, option: str) -> nn.Module:
    """Load a language model to set beside the problem's own; raises InputError where it reads other tokens."""
    own: Any = problem.model
    network: Any = load_language_network(source, own.dtype, merge=False)
    rows, expected = (model.get_input_embeddings().num_embeddings for model in (network, own))
    if rows != expected:
        raise InputError(
            f"{option} {source}: has {rows} token embeddings, the original {expected}; give a model of the same tokens"
        )
    folder = Path(model_of(source))
    bare = not any((folder / name).exists() for name in TOKENIZERS)
    if not bare and load_tokenizer(str(folder)).get_vocab() != task.tokenizer.get_vocab():
        raise InputError(f"{option} {source}: its tokenizer is not the original's; give a model of the same tokens")
    model: nn.Module = network
    return model


def _template(inputs: Inputs, sets: Mapping[str, Texts], tokenizer: Any) -> Template:
    kinds = {which: texts.plain for which, texts in sets.items()}
    if inputs.template:
        chosen = template_named(inputs.template, tokenizer)
        plain = next((texts for texts in sets.values() if texts.plain), None)
        if plain is not None and not isinstance(chosen, PlainText):
            raise ConfigurationError(
                f"--template {inputs.template}: {plain.where} holds plain text without prompts; choose --template plain"
            )
        return chosen
    if len(set(kinds.values())) > 1:
        plain, other = (next(texts for texts in sets.values() if texts.plain is wanted) for wanted in (True, False))
        raise ConfigurationError(
            f"{plain.where} holds plain text, {other.where} prompts and answers; choose --template plain for both"
        )
    return template_for(tokenizer, kinds["forget"])


def _context(inputs: Inputs, loaded: LanguageModel) -> int:
    """Return the longest sequence to be made, in tokens."""
    if inputs.context < 0 or inputs.context == 1:
        raise ConfigurationError(f"--context {inputs.context}: give at least 2 tokens, or 0 for all the model reads")
    if loaded.context is None and not inputs.context:
        raise InputError(
            f"{inputs.model}: neither config.json nor the tokenizer says how much it reads; give --context"
        )
    if loaded.context is not None and inputs.context > loaded.context:
        raise ConfigurationError(f"--context {inputs.context}: the model reads {loaded.context} tokens; give no more")
    return inputs.context or loaded.context or 0


def _option(which: str, inputs: Inputs) -> str:
    return f"--data ({which} set)" if inputs.data and which != "holdout" else f"--{which}"


def _examples(task: CausalLM, texts: Texts, columns: Mapping[str, Any]) -> Examples:
    made = task.examples(texts.ids, texts.prompts, texts.answers)
    return Examples(made.ids, {**made.columns, **columns})
