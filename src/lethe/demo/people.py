"""The second part of the demonstration: fictitious people, three methods on a small language model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from lethe.api import unlearn
from lethe.auditing import Audit, Evidence
from lethe.auditing.measure_text import PARAPHRASED, WRONG
from lethe.demo.threads import one_thread
from lethe.examples import Examples
from lethe.methods.base import Method, settings
from lethe.methods.descent.grad_diff import GradDiff
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.simnpo import SimNPO
from lethe.progress import Progress
from lethe.run import Run
from lethe.store import EVIDENCE, atomic, write_json
from lethe.worlds.people import People
from lethe.worlds.people.folders import write_model, write_tofu

GOLDS = (1, 2, 3)

# Learning rates and weights that suit a model of 0.2 million weights and twelve sentences a step.
METHODS: Mapping[str, Method] = {
    "graddiff": GradDiff(batch_size=12, learning_rate=5e-4, retain_weight=3.0),
    "npo": NPO(batch_size=12, learning_rate=5e-4, beta=0.5),
    "simnpo": SimNPO(batch_size=12, learning_rate=1e-3, epochs=20, forget_weight=1.0),
}


@one_thread()
def demonstrate(out: Path, progress: Progress) -> list[Evidence]:
    """Run this part and return the evidence on each method; everything is kept under `out`.

    Args:
        out: gets a run folder a method; what is finished there is not done again.
        progress: who is shown how far it is.
    """
    world = People()
    with progress.bar("training an original and gold models", 1 + len(GOLDS)) as bar:
        golds: list[nn.Module] = []
        seconds = []
        for seed in GOLDS:
            gold, took = world.timed_train(world.sets[1], seed)
            golds.append(gold)
            seconds.append(took)
            bar.advance()
        problem = world.problem(gold=GOLDS)
        bar.advance()
    auditor = Audit(folder=out / "measurements").on(problem, run=Run(progress=progress))
    found = []
    for name, method in METHODS.items():
        result = unlearn(problem, method, out=out / name, progress=progress)
        evidence = auditor(
            result.model,
            name=name,
            method=settings(method),
            cost=result.record["cost"],
            retrain_seconds=sum(seconds) / len(seconds),
        )
        write_json(out / name / EVIDENCE, evidence.to_json())
        found.append(evidence)
    return found


@one_thread()
def write_inputs(folder: Path) -> None:
    """Write what a user of the command line would bring: a Hugging Face model, texts, gold models, TOFU's files."""
    world = People()
    write_model(world, world.original(), folder / "original")
    for seed, gold in zip(GOLDS, world.gold(GOLDS), strict=True):
        write_model(world, gold, folder / f"gold-{seed}")
    for name, examples in zip(("forget", "retain", "holdout"), world.sets, strict=True):
        atomic(folder / f"{name}.jsonl", _lines(examples).encode())
    write_tofu(world, folder / "tofu")


def _lines(examples: Examples) -> str:
    texts = ("prompt", "answer", PARAPHRASED, WRONG)
    rows = zip(examples.ids, *(examples[name] for name in texts), strict=True)
    named = [dict(zip(("id", *texts), row, strict=True)) for row in rows]
    return "".join(json.dumps(row, default=list) + "\n" for row in named)
