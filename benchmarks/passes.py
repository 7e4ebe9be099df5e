"""Count what each method of the catalogue costs with its defaults: training passes over the forget and retain set.

    python benchmarks/passes.py            # writes src/lethe/recommend/passes.json
    python benchmarks/passes.py npo soul   # counts these anew and leaves the others

The unit is one example forward and backward, as fine-tuning has it. Each method runs on three sizes of a tiny problem;
the work is counted, not timed, so that the figures are those of any machine. A method that such a problem does not fit
(one that needs experts, or somebody who writes texts) is left out.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from lethe import catalogue, configure
from lethe.errors import LetheError
from lethe.methods.base import Method
from lethe.methods.baselines.finetune import FineTune
from lethe.problem import Problem
from lethe.run import Run
from lethe.tasks import Classification
from lethe.testing import tiny_problem
from lethe.testing.language import tiny_language_problem

# What only fits larger models, texts or a writer is set to fit the tiny problem; none of it changes the passes.
SETTINGS = {
    "rmu": {"layer": "1", "trained_blocks": "2", "allow_short": "true"},
    "knowledge_unlearning": {"ngram": "2"},
    "relearn": {"generator": "template"},
    "causal_whp": {"teachers": "1"},
}
OUT = Path(__file__).parents[1] / "src" / "lethe" / "recommend" / "passes.json"


def count(method: Method, whole: Problem) -> dict[str, float]:
    """Return the passes over the forget set and over the retain set that a run makes, by halving each in turn."""
    forget, retain = len(whole.forget), len(whole.kept)
    fewer_forgotten = replace(whole, forget=whole.forget.take(range(forget // 2)))
    fewer_retained = replace(whole, retain=whole.kept.take(range(retain // 2)))
    full, less_forget, less_retain = (work(method, one) for one in (whole, fewer_forgotten, fewer_retained))
    return {
        "forget": round(max(0.0, (full - less_forget) / (forget - forget // 2)), 1),
        "retain": round(max(0.0, (full - less_retain) / (retain - retain // 2)), 1),
    }


def work(method: Method, problem: Problem) -> float:
    """Return the work of a run in examples forward and backward; without a training loop, in examples seen."""
    run = Run()
    method.unlearn(problem, run)
    return run.cost.flops / unit(problem) if run.cost.flops else float(run.cost.examples)


def unit(problem: Problem) -> float:
    """Return the floating-point operations of fine-tuning on one example."""
    run = Run()
    FineTune(epochs=1, batch_size=len(problem.kept)).unlearn(problem, run)
    return run.flops_per_example


def main() -> None:
    """Count the methods named, or all, and write the table."""
    torch.set_num_threads(1)
    classifier, language = tiny_problem(), tiny_language_problem()
    found = json.loads(OUT.read_text("utf-8")) if len(sys.argv) > 1 else {}
    for slug in sys.argv[1:] or [entry.slug for entry in catalogue.METHODS]:
        kind = catalogue.find("method", slug)
        problem = classifier if Classification in kind.tasks else language
        try:
            # Without the problem's own recipe, so that retraining is counted as well.
            found[slug] = count(configure.build(slug, SETTINGS.get(slug, {})), replace(problem, retrain=None))
        except LetheError as error:
            print(f"{slug}: {error}", file=sys.stderr)
            continue
        print(f"{slug}: {found[slug]}", file=sys.stderr, flush=True)
    OUT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
