"""What deleting one example costs, as a ratio to retraining in the same run: SISA, S3T, ACU, and SAFE's requests.

python benchmarks/deletion.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from transformers import ViTConfig, ViTForImageClassification

from lethe.methods.baselines.finetune import FineTune
from lethe.methods.exact.acu import ACU
from lethe.methods.exact.s3t import S3T
from lethe.methods.exact.service import Deletable
from lethe.methods.exact.sisa import Sisa
from lethe.methods.streaming.safe import Safe
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.worlds.digits import DigitsCNN, load_digits

TASK = Classification(classes=10, input="image", scale=1 / 16)
DIGITS = load_digits().take(range(1200))
REQUESTS = 12


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def retrained(base: nn.Module, recipe: FineTune) -> float:
    problem = Problem(model=base, task=TASK, forget=DIGITS.take([0]), retain=DIGITS.take(range(1, len(DIGITS))))
    return statistics.median(seconds(lambda: recipe.unlearn(problem, Run())) for _ in range(3))


def deletions(system: Deletable, base: nn.Module) -> list[float]:
    service = system.fit(base, TASK, DIGITS)
    service.delete([DIGITS.ids[-1]])  # what is imported once is no part of a request
    return [service.delete([DIGITS.ids[97 * i % 1100]]).seconds for i in range(REQUESTS)]


def vit() -> nn.Module:
    return ViTForImageClassification(
        ViTConfig(
            image_size=8, patch_size=2, num_channels=1, hidden_size=32, num_hidden_layers=4, num_attention_heads=4,
            intermediate_size=64, num_labels=10,
        )
    )  # fmt: skip


def main() -> None:
    torch.manual_seed(0)
    network, transformer = DigitsCNN(), vit()
    recipe = FineTune(epochs=20, batch_size=64, learning_rate=0.05)
    whole = retrained(network, recipe)
    print(f"retraining the network on everything: {whole:.2f} s")
    for slices in (1, 4):
        system = Sisa(shards=10, slices=slices, epochs=20, batch_size=64, learning_rate=0.05)
        took = statistics.mean(deletions(system, network))
        print(f"SISA, 10 shards, {slices} slices: {took:.3f} s a deletion, {whole / took:.1f}x cheaper")
    took = statistics.mean(deletions(ACU(), network))
    print(f"ACU: {took:.4f} s a deletion, {whole / took:.0f}x cheaper")
    adapted = FineTune(epochs=15, batch_size=64, learning_rate=2e-3, optimizer="adamw")
    trained = retrained(transformer, adapted)
    took = statistics.mean(deletions(S3T(shards=3, slices=4, orders=2, epochs=2), transformer))
    print(
        f"S3T: {took:.4f} s a deletion, {trained / took:.0f}x cheaper than retraining its transformer ({trained:.2f} s)"
    )
    rounds = deletions(Safe(), network)
    first, last = statistics.median(rounds[:4]), statistics.median(rounds[-4:])
    print(f"SAFE: {first:.3f} s a request at first, {last:.3f} s after {REQUESTS} ({last / first:.2f}x); "
          f"{whole / statistics.median(rounds):.1f}x cheaper than retraining")  # fmt: skip


if __name__ == "__main__":
    main()
