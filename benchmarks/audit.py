"""Seconds of a full audit of a language model: all metrics and attacks, with an original and three gold models.

    python benchmarks/audit.py                     # 400 forget examples of TOFU; bound 600 s on 2 cores
    python benchmarks/audit.py --forget 40         # a tenth of them, to see what takes the time

The models are those of `benchmarks/llm.py`, a Llama of 5.3 million weights from five seeds, not trained: every answer
runs to its last token, which no trained model takes. It needs $LETHE_DATA (see CONTRIBUTING.md).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.llm import llama, rows, tokenizer
from lethe import catalogue, models
from lethe.auditing import Audit, Evidence
from lethe.auditing.records import Entry
from lethe.examples import Examples
from lethe.problem import Problem
from lethe.tasks import CausalLM

BOUND = 600
SETS = {"forget": "forget10_perturbed", "retain": "retain_perturbed", "holdout": "holdout05"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forget", type=int, default=400, help="forget examples, at most 400")
    parser.add_argument("--golds", type=int, default=3, help="gold models")
    parser.add_argument("--only", default="", help="names of attacks, with commas between; else all")
    arguments = parser.parse_args()
    folder = os.environ.get("LETHE_DATA")
    if folder is None:
        sys.exit("set LETHE_DATA to the folder of public data sets")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    problem = tofu_problem(Path(folder) / "tofu", arguments.forget, arguments.golds)
    kinds = [entry.load() for name, entry in catalogue.entries("attack").items() if wanted(name, arguments.only)]
    attacks = tuple(kind() for kind in kinds if issubclass(CausalLM, kind.tasks))
    auditor = Audit(attacks=attacks).on(problem)
    print(auditor.outline(), flush=True)
    start = time.perf_counter()
    evidence = auditor(of_seed(99))
    show(evidence, time.perf_counter() - start)


def wanted(name: str, only: str) -> bool:
    return not only or name in only.split(",")


def show(evidence: Evidence, seconds: float) -> None:
    """Print what took how long, the longest first."""
    by_attack = {entry.name: sum(map(seconds_of, details_of(entry))) for entry in evidence.attacks}
    for name, spent in sorted(by_attack.items(), key=lambda one: -one[1]):
        print(f"{name:<22}{spent:8.1f} s")
    print(f"{'metrics and the rest':<22}{seconds - sum(by_attack.values()):8.1f} s")
    print(f"{'together':<22}{seconds:8.1f} s, bound {BOUND} s")
    for one in evidence.skipped:
        print(f"skipped: {one['name']}: {one['reason']}")


def details_of(entry: Entry) -> Sequence[Any]:
    return [entry.details, entry.original_details, *entry.gold_details]


def seconds_of(details: Any) -> float:
    return float(details.get("cost", {}).get("seconds", 0.0))


def tofu_problem(folder: Path, count: int, golds: int) -> Problem:
    """Return TOFU's forget10 with wrong and paraphrased answers, and untrained models."""
    texts = [text for name in ("forget10", "retain90") for row in rows(folder, name) for text in row]
    task = CausalLM(tokenizer(texts), context=512)
    sets = {part: examples(task, folder, name) for part, name in SETS.items()}
    return Problem(
        of_seed(0),
        task,
        sets["forget"].take(range(min(count, len(sets["forget"])))),
        sets["retain"],
        holdout=sets["holdout"],
        gold=tuple(of_seed(seed) for seed in range(1, golds + 1)),
    )


def examples(task: CausalLM, folder: Path, name: str) -> Examples:
    plain = folder / f"{name}.jsonl"
    text = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes())
    read = [json.loads(line) for line in text.decode().splitlines()]
    columns = {key: column([row[key] for row in read]) for key in read[0] if key not in ("question", "answer")}
    ids, prompts, answers = zip(*((f"{name}-{i}", r["question"], r["answer"]) for i, r in enumerate(read)), strict=True)
    return task.examples(ids, prompts, answers, **columns)


def column(values: Sequence[Any]) -> Any:
    """Return text or lists of it as a column."""
    made = np.empty(len(values), dtype=object)
    made[:] = [tuple(value) if isinstance(value, list) else value for value in values]
    return made


def of_seed(seed: int) -> nn.Module:
    return models.reinitialised(llama(), seed).eval()


if __name__ == "__main__":
    main()
