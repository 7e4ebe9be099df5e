"""One process and two make the same batches, the same losses and the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.parallel.worker import METHODS

ROOT = Path(__file__).parents[2]
SHARDED = ("plain", "sam", "lora", "kl")
"""What works where each process holds a part of the weights only."""


def work(out: Path, count: int, names: tuple[str, ...], **environment: str) -> Path:
    """Run the worker in so many processes and return where it wrote."""
    out.mkdir()
    several = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(count), "-m"] if count > 1 else []
    command = [sys.executable, "-m", *several, "tests.parallel.worker", str(out), *names]
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    return work(tmp_path_factory.mktemp("alone") / "out", 1, tuple(METHODS))


def same(alone: Path, together: Path, name: str) -> None:
    curves = [json.loads((alone / f"{name}-1.json").read_text()), json.loads((together / f"{name}-2.json").read_text())]
    assert len(curves[0]) == len(curves[1]) > 2
    for one, two in zip(*curves, strict=True):
        assert two == pytest.approx(one, abs=1e-5)
    file = "adapter_model.safetensors" if name == "lora" else "model.safetensors"
    weights = [load_file(alone / f"{name}-1" / file), load_file(together / f"{name}-2" / file)]
    assert weights[0].keys() == weights[1].keys()
    assert max(float((weights[0][key] - weights[1][key]).abs().max()) for key in weights[0]) < 1e-4


def test_two_processes_share_each_batch_and_end_alike(alone, tmp_path):
    together = work(tmp_path / "out", 2, tuple(METHODS))
    for name in METHODS:
        same(alone, together, name)


def test_two_processes_that_share_the_weights_too_end_alike(alone, tmp_path):
    together = work(tmp_path / "out", 2, SHARDED, ACCELERATE_USE_FSDP="true")
    for name in SHARDED:
        same(alone, together, name)


def test_what_needs_whole_weights_is_refused_where_they_are_shared(tmp_path):
    with pytest.raises(AssertionError, match="needs whole weights in every process; launch without FSDP"):
        work(tmp_path / "out", 2, ("agreeing",), ACCELERATE_USE_FSDP="true")
