"""What one of several processes does in the tests of data parallelism: unlearn, and write down what came out."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from lethe import models
from lethe.api import unlearn
from lethe.methods.descent.npo import NPO
from lethe.parallel import launched
from lethe.progress import Bar
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.steps import SAM, Agreeing, Plain
from lethe.testing.language import tiny_language_problem

METHODS = {
    "plain": NPO(epochs=4, batch_size=3, learning_rate=1e-3, warmup_epochs=0),
    "sam": NPO(epochs=3, batch_size=4, learning_rate=1e-3, warmup_epochs=0, step=SAM(rho=0.01)),
    "agreeing": NPO(epochs=3, batch_size=4, learning_rate=1e-3, warmup_epochs=0, step=Agreeing()),
    "lora": NPO(epochs=3, batch_size=4, learning_rate=1e-2, warmup_epochs=0, scope=LoRA(rank=2)),
    "kl": NPO(epochs=3, batch_size=4, learning_rate=1e-3, warmup_epochs=0, retain="kl", step=Plain()),
}


class Curve:
    """Keeps the losses of every step."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, count: int = 1, **values: float) -> None:
        if values:
            self.losses.append(values)


def main(name: str, out: str) -> None:
    torch.set_num_threads(1)
    curve: Bar = Curve()
    run = Run(parallel=launched(cpu=True), progress=curve)
    result = unlearn(
        tiny_language_problem(), METHODS[name], run=run, out=Path(out) / f"run-{run.parallel.count}-{name}"
    )
    if run.leads:
        models.save(result.model, Path(out) / f"{name}-{run.parallel.count}")
        Path(out, f"{name}-{run.parallel.count}.json").write_text(json.dumps(curve.losses))


if __name__ == "__main__":
    for which in sys.argv[2:]:
        main(which, sys.argv[1])
