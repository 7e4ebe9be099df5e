"""Watermark readings: what a language model writes after each prompt, read under the keys of the prompts' owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lethe.auditing.measure import Measurements
from lethe.examples import Examples
from lethe.generation import sample
from lethe.models import fingerprint
from lethe.run import Run
from lethe.store import digest
from lethe.tasks import CausalLM
from lethe.tasks.causal_lm import ANSWER_FROM, TOKENS
from lethe.text.watermark import Reading, Watermark

AT_ONCE = 64  # prompts between two looks at the clock


def written(
    model: nn.Module,
    task: CausalLM,
    sets: Mapping[str, Examples],
    samples: int,
    new_tokens: int,
    run: Run,
    known: Measurements | None = None,
) -> dict[str, list[list[str]]]:
    """Return several texts that the model writes after each prompt of each set, drawn at temperature 1.

    Args:
        model: the model, on the run's device.
        task: how it is fed.
        sets: examples by name; only their prompts are read.
        samples: texts a prompt.
        new_tokens: most tokens of a text.
        run: seed, device and progress.
        known: earlier measurements, which are looked up first and added to.

    Returns:
        By set, for each example its texts.
    """
    known = known if known is not None else Measurements()
    asked = [{name: examples.fingerprint for name, examples in sets.items()}, samples, new_tokens, run.seed]
    key = digest(["watermark", fingerprint(model), repr(model), repr(task), asked])
    found = known.recall(key)
    if found is None:
        texts = {
            name: _written(model, task, examples, name, samples, new_tokens, run) for name, examples in sets.items()
        }
        found = {"nothing": torch.zeros(1)}, {"texts": texts}
        known.keep(key, *found)
    return {name: list(found[1]["texts"][name]) for name in sets}


def readings(
    watermark: Watermark, tokenizer: Any, texts: Sequence[Sequence[str]], keys: Sequence[int]
) -> list[list[Reading]]:
    """Return what is read of the texts of each prompt under the prompt's key, with the watermark's own tokenizer."""
    found: list[list[Reading]] = [[] for _ in texts]
    for key in sorted(set(keys)):
        rows = [row for row, own in enumerate(keys) if own == key]
        flat = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for row in rows for text in texts[row]]
        read = iter(watermark.read(flat, key))
        for row in rows:
            found[row] = [next(read) for _ in texts[row]]
    return found


def _written(
    model: nn.Module, task: CausalLM, examples: Examples, name: str, samples: int, new_tokens: int, run: Run
) -> list[list[str]]:
    starts = examples.tensor(ANSWER_FROM).tolist()
    prompts = [row[:start] for row, start in zip(examples.tensor(TOKENS).tolist(), starts, strict=True)]
    said: list[list[str]] = []
    with run.progress.bar("writing under watermarks", len(prompts)) as bar:
        for first in range(0, len(prompts), AT_ONCE):
            run.interrupt_point()
            some = [prompt for prompt in prompts[first : first + AT_ONCE] for _ in range(samples)]
            tokens = sample(
                model, some, [max(min(new_tokens, task.context - len(prompt)), 0) for prompt in some],
                task.tokenizer.eos_token_id, device=run.device, generator=run.generator("watermark", name, first),
            )  # fmt: skip
            texts = [task.tokenizer.decode(one, skip_special_tokens=True) for one in tokens]
            said += [texts[i : i + samples] for i in range(0, len(texts), samples)]
            bar.advance(len(some) // samples)
    return said
