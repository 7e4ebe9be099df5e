"""Unlearning large language models on one GPU: how much of its matrix peak NPO reaches, and how much memory it takes.

    python benchmarks/gpu.py 1b        # Llama-3.2-1B's shape, sequences of 512 tokens
    python benchmarks/gpu.py 8b        # Llama-3.1-8B's shape, full weights on one GPU
    python benchmarks/gpu.py tiny      # a rehearsal anywhere

Weights are random: speed and memory do not depend on their values.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch
from torch import nn

from lethe.examples import Examples
from lethe.methods.descent.npo import NPO
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import CausalLM

SHAPES = {
    "1b": {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
    },
    "tiny": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 512, "tie_word_embeddings": True,
    },
}  # fmt: skip
LENGTH, PROMPT = 512, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--checkpointing", action="store_true")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method = NPO(
        batch_size=given.batch_size, micro_batch=given.micro_batch, epochs=1, warmup_epochs=0.0,
        checkpointing=given.checkpointing or given.shape == "8b",
    )  # fmt: skip
    problem = made(given.shape, 2 * given.batch_size)
    seconds, flops = steady(problem, method, device)
    peak = matrix_peak(device)
    print(f"{given.shape} on {device}, torch {torch.__version__}: {seconds:.3f} s a step of {given.batch_size}")
    share = flops / seconds / peak
    print(f"{2 * given.batch_size * LENGTH / seconds:.0f} tokens/s; {share:.1%} of {peak / 1e12:.1f} TFLOP/s")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


def made(shape: str, count: int) -> Problem:
    """Return a problem of random weights in bfloat16 and random tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_default_dtype(torch.bfloat16)
    model: nn.Module = LlamaForCausalLM(LlamaConfig(max_position_embeddings=LENGTH, **SHAPES[shape])).eval()
    torch.set_default_dtype(torch.float32)
    random = torch.Generator().manual_seed(0)

    def examples(name: str) -> Examples:
        tokens = torch.randint(SHAPES[shape]["vocab_size"], (count, LENGTH), generator=random, dtype=torch.int32)
        columns = {
            "tokens": tokens,
            "length": torch.full((count,), LENGTH),
            "answer_from": torch.full((count,), PROMPT),
        }
        return Examples(tuple(f"{name}-{i}" for i in range(count)), columns)

    return Problem(model, CausalLM(None, context=LENGTH), examples("forget"), examples("retain"))


def steady(problem: Problem, method: NPO, device: torch.device) -> tuple[float, float]:
    """Return the seconds and the floating-point operations of a step, what comes before the first left out."""
    from lethe.api import unlearn

    times, flops = [], 0.0
    for epochs in (1, 3):
        run = Run(device=device, precision="bf16")
        start = time.perf_counter()
        unlearn(problem, replace(method, epochs=epochs), run=run)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        flops = run.flops_per_example * 2 * method.batch_size
    steps = 2 * len(problem.forget) / method.batch_size
    return (times[1] - times[0]) / steps, flops


def matrix_peak(device: torch.device, size: int = 8192) -> float:
    """Return the operations a second of one large product of bfloat16 matrices."""
    size = size if device.type == "cuda" else 512
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


if __name__ == "__main__":
    main()
