"""The first part of the demonstration: mislabelled digits, five methods on a small image classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from lethe import models
from lethe.api import unlearn
from lethe.auditing import Audit, Evidence
from lethe.demo.threads import one_thread
from lethe.examples import concatenate
from lethe.methods.base import Method, settings
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.scrub import Scrub
from lethe.methods.descent.l1_sparse import L1Sparse
from lethe.methods.descent.salun import SalUn
from lethe.methods.edits.ssd import SSD
from lethe.problem import Problem
from lethe.progress import Progress
from lethe.run import Run
from lethe.store import EVIDENCE, atomic, write_json
from lethe.worlds.digits import Digits

ORIGINALS = (0, 4, 5)
GOLDS = (1, 2, 3)

# Fine-tuning as published; the others with learning rates that suit a network of 72 thousand weights.
METHODS: Mapping[str, Method] = {
    "finetune": FineTune(),
    "l1_sparse": L1Sparse(penalty=2e-3, learning_rate=0.03),
    "ssd": SSD(batch_size=16, alpha=4.5, dampening=2.5),
    "scrub": Scrub(learning_rate=2e-3),
    "salun": SalUn(learning_rate=0.05, batch_size=64),
}


@one_thread()
def demonstrate(out: Path, progress: Progress) -> list[Evidence]:
    """Run the demonstration and return the evidence on each method; everything is kept under `out`.

    Args:
        out: gets a run folder a method, the original and the gold models; what is finished there is not done again.
        progress: who is shown how far it is.
    """
    world = Digits("mislabelled")
    problems, retrain_seconds = _train(world, progress)
    problem = problems[0]
    models.save(problem.model, out / "original" / "model")
    for seed, gold in zip(GOLDS, problem.gold, strict=True):
        models.save(gold, out / f"gold-{seed}" / "model")
    auditor = Audit(folder=out / "measurements").on(
        problem, originals=[p.model for p in problems[1:]], run=Run(progress=progress)
    )
    found = []
    for name, method in METHODS.items():
        result = unlearn(problem, method, out=out / name, progress=progress)
        # Siblings start from other originals: the spread of a method is that of the whole procedure.
        siblings: list[nn.Module] = [unlearn(p, method, progress=progress).model for p in problems[1:]]
        evidence = auditor(
            result.model,
            name=name,
            method=settings(method),
            cost=result.record["cost"],
            retrain_seconds=retrain_seconds,
            siblings=siblings,
        )
        write_json(out / name / EVIDENCE, evidence.to_json())
        found.append(evidence)
    return found


@one_thread()
def write_inputs(folder: Path) -> None:
    """Write what a user of the command line would bring: a Hugging Face model, its data, a forget list, two golds.

    The model is a small ResNet of transformers trained on the same digits, a tenth of them mislabelled.
    """
    world = Digits("mislabelled", architecture="resnet")
    problem = world.problem(gold=GOLDS[:2])
    task = world.task
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": False,
        "do_rescale": True,
        "rescale_factor": task.scale,
        "do_normalize": True,
        "image_mean": list(task.mean),
        "image_std": list(task.std),
    }
    for name, model in {"original": problem.model, "gold-1": problem.gold[0], "gold-2": problem.gold[1]}.items():
        models.save(model, folder / name)
        write_json(folder / name / "preprocessor_config.json", preprocessor)
    train, test = concatenate(problem.kept, problem.forget), world.sets[2]
    np.savez_compressed(
        folder / "digits.npz",
        train_images=train.tensor("image").numpy(),
        train_labels=train.tensor("label").numpy(),
        train_ids=np.array(train.ids),
        test_images=test.tensor("image").numpy(),
        test_labels=test.tensor("label").numpy(),
    )
    atomic(folder / "forget.txt", "".join(f"{name}\n" for name in problem.forget.ids).encode())


def _train(world: Digits, progress: Progress) -> tuple[list[Problem], float]:
    """Return one problem an original, all with the same gold models, and the mean seconds of retraining."""
    with progress.bar("training originals and gold models", len(ORIGINALS) + len(GOLDS)) as bar:
        seconds = []
        for seed in GOLDS:
            seconds.append(world.timed_train(world.sets[1], seed)[1])
            bar.advance()
        problems = []
        for seed in ORIGINALS:
            problems.append(world.problem(seed, GOLDS))
            bar.advance()
    return problems, sum(seconds) / len(seconds)
