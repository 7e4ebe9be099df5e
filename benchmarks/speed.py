"""Speed of the loop, of SSD's importances and of the import, each as a ratio to a plain counterpart in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

from lethe import models
from lethe.api import unlearn
from lethe.examples import shuffled
from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes.per_example import mean_squared_example_gradient
from lethe.worlds import cifar10
from lethe.worlds.digits import Digits

ROUNDS = 5


def ratio(ours: Callable[[], object], plain: Callable[[], object]) -> tuple[float, float, float]:
    """Return the median ratio of times ours / plain over alternating rounds, and the two median times in seconds."""
    for warm in (ours, plain):
        warm()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for i, run in enumerate((ours, plain)):
            start = time.perf_counter()
            run()
            times[i].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(*times, strict=True)]
    return statistics.median(ratios), statistics.median(times[0]), statistics.median(times[1])


def bare_loop(problem: Problem, epochs: int, batch_size: int) -> nn.Module:
    """Train as FineTune does, with the same batches and optimiser, in the fewest lines of PyTorch."""
    model = models.copied(problem.model).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    run = Run()
    for epoch in range(epochs):
        for rows in shuffled(len(problem.kept), batch_size, run.generator("retain order", epoch)):
            optimizer.zero_grad(set_to_none=True)
            problem.task.losses(model, problem.kept.batch(rows)).mean().backward()
            optimizer.step()
    return model


def report(name: str, result: tuple[float, float, float], bound: float) -> None:
    print(f"{name:<58} {result[0]:5.2f}x  ({result[1]:.3f} s / {result[2]:.3f} s; bound {bound}x)")


def problems() -> list[tuple[str, Problem, int]]:
    """Return what there is to measure on: name, problem, batch size."""
    found = [
        ("digits CNN, batch 64", Digits("mislabelled").problem(gold=()), 64),
        ("digits ViT, batch 64", Digits("mislabelled", "vit").problem(gold=()), 64),
    ]
    folder = cifar10.data_folder()
    if folder:
        found.append(("ResNet-20 on CIFAR-10, batch 128", cifar10.Cifar10(folder, train=1000).problem(), 128))
    return found


def descent() -> None:
    for name, problem, size in problems():
        epochs = 1 if size == 128 else 5
        method = FineTune(epochs=epochs, batch_size=size)
        ours = unlearn(problem, method).model
        assert models.same_weights(ours, bare_loop(problem, epochs, size)), "the two loops do different work"
        result = ratio(
            lambda m=method, p=problem: m.unlearn(p, Run()), lambda p=problem, e=epochs, s=size: bare_loop(p, e, s)
        )
        report(f"descent / bare loop, {name}", result, 1.10)


def importances() -> None:
    def plain(problem: Problem, size: int) -> None:
        model = models.copied(problem.model).eval()
        for batch in problem.kept.batches(size):
            torch.autograd.grad(problem.task.losses(model, batch).mean(), list(model.parameters()))

    for name, problem, size in problems():
        result = ratio(
            lambda p=problem, s=size: mean_squared_example_gradient(p.model, p.kept, p.task.losses, s, Run()),
            lambda p=problem, s=size: plain(p, s),
        )
        report(f"per-example Fisher / backward pass, {name}", result, 3.0)


def imports() -> None:
    def seconds(code: str) -> float:
        timed = f"import time, torch; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
        return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)

    values = [seconds("import lethe; lethe.unlearn, lethe.Problem, lethe.SalUn") for _ in range(ROUNDS)]
    print(f"{'import lethe and the spine, after torch':<58} {statistics.median(values):5.2f} s  (bound 0.5 s)")

    def helped() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "lethe", "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    helped()
    print(f"{'lethe --help, warm':<58} {statistics.median(helped() for _ in range(ROUNDS)):5.2f} s  (bound 2 s)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread")
    descent()
    importances()
    imports()
