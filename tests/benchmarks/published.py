"""What the tests of benchmarks share: runs of the command line, real data, and written files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lethe.cli import main
from lethe.models import save


def real(name: str) -> Path:
    """The folder of a public data set; the test is skipped where there is none."""
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    return Path(folder) / name


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_model(model: nn.Module, tokenizer: Any, folder: Path) -> Path:
    """Write a model folder that `from_pretrained` reads."""
    save(model, folder)
    tokenizer.save_pretrained(folder)
    return folder


def untrained(make: Any, seed: int = 7) -> nn.Module:
    """A network with weights from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = make()
    return model


def benched(out: Path, *arguments: object, code: int = 0) -> dict[str, dict[str, float]]:
    """Run `lethe bench`, and return the values of each model by name; nothing where it is to fail."""
    assert main(["bench", *map(str, arguments), "--out", str(out), "--quiet"]) == code
    if code:
        return {}
    found = json.loads((out / "results.json").read_text())
    return {model["name"]: model["values"] for model in found["models"]}


def small_tokenizer(texts: Iterable[str], vocabulary: int = 640) -> Any:
    """A byte-pair tokenizer learnt from a few texts."""
    from lethe.worlds.people.tokenizer import tokenizer

    return tokenizer(texts, vocabulary)


def small_llama(tokenizer: Any, context: int, width: int = 48) -> nn.Module:
    """An untrained Llama of two blocks."""
    from lethe.worlds.people.models import Size
    from lethe.worlds.people.models import untrained as network

    return untrained(lambda: network("llama", Size(layers=2, width=width, hidden=2 * width), tokenizer, context))
