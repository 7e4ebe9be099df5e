"""`--evaluate-every` and `--keep`: what is measured while a model is unlearned, and which state becomes the result."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from lethe import models
from lethe.errors import ConfigurationError, nearest
from lethe.examples import Examples
from lethe.measuring import example_losses, over_examples
from lethe.problem import Problem
from lethe.run import Keep, Run, Watch
from lethe.tasks import CausalLM, Task, as_classification

SAMPLE = 2_000
SETS = ("forget", "retain", "holdout")


def rate(task: Task) -> str:
    """Return what is measured beside the loss: the `accuracy` of classifiers, the `probability` of answers.

    The probability of an answer is the geometric mean over its tokens, P(y|x)^(1/|y|).
    """
    return "probability" if isinstance(task, CausalLM) else "accuracy"


def watched(task: Task, parts: frozenset[str]) -> dict[str, str]:
    """Return the values that are measured on a problem with these parts: name to goal (`gold`, `max` or `min`).

    That is the loss and the accuracy (or probability) of each set. With gold models there is `NAME_gap`, the distance
    |value - gold mean| of each, and `accuracy_gap` (or `probability_gap`), the mean of these over the sets.
    """
    sets = [name for name in SETS if name == "forget" or name in parts]
    goals = {f"{name}_{rate(task)}": "gold" if name == "forget" else "max" for name in sets}
    goals |= {f"{name}_loss": "gold" if name == "forget" else "min" for name in sets}
    if "gold" not in parts:
        return goals
    return {**goals, **dict.fromkeys([f"{name}_gap" for name in goals], "min"), f"{rate(task)}_gap": "min"}


def keep(text: str, task: Task, parts: frozenset[str]) -> Keep:
    """Return what `best:METRIC`, `min:METRIC` or `max:METRIC` asks for.

    Raises:
        ConfigurationError: the text is not of that form, the metric is not measured, or its best value is gold's
            and there is no gold.
    """
    direction, colon, name = text.partition(":")
    if not colon or direction not in ("best", "min", "max"):
        raise ConfigurationError(f"--keep {text}: expected best:METRIC, min:METRIC or max:METRIC")
    goals = watched(task, parts)
    if name not in goals:
        gap = name in watched(task, parts | {"gold"})
        hint = "; it needs gold models: give --gold" if gap else nearest(name, goals)
        raise ConfigurationError(f"--keep {text}: '{name}' is not measured while unlearning{hint}")
    if direction != "best":
        return Keep(name, 1 if direction == "max" else -1)
    if goals[name] != "gold":
        return Keep(name, 1 if goals[name] == "max" else -1)
    if "gold" not in parts:
        raise ConfigurationError(
            f"--keep {text}: the best {name} is that of a model retrained without the forget set; "
            f"give one with --gold, or say --keep min:{name} or --keep max:{name}"
        )
    return Keep(f"{name}_gap", -1)


def watcher(problem: Problem, run: Run) -> Watch:
    """Return the measurement: model -> values by name, from forward passes over at most 2,000 examples of each set."""
    everything = {"forget": problem.forget, "retain": problem.retain, "holdout": problem.holdout}
    sets = {
        name: examples.sample(SAMPLE, run.generator("watched", name))
        for name, examples in everything.items()
        if examples is not None
    }
    # A run of its own: what is spent on watching is no cost of the method, and shows no bar.
    aside = Run(device=run.device, precision=run.precision)

    def measure(model: nn.Module) -> dict[str, float]:
        found = {name: _measured(model, problem.task, examples, aside) for name, examples in sets.items()}
        rates = {f"{name}_{rate(problem.task)}": value for name, (value, _) in found.items()}
        return rates | {f"{name}_loss": value for name, (_, value) in found.items()}

    golds = [measure(models.copied(gold).to(run.device)) for gold in problem.gold]
    target = {name: sum(gold[name] for gold in golds) / len(golds) for name in golds[0]} if golds else {}

    def watch(model: nn.Module) -> Mapping[str, float]:
        values = measure(model)
        gaps = {f"{name}_gap": abs(values[name] - target[name]) for name in target}
        rates = [gap for name, gap in gaps.items() if name.endswith(f"{rate(problem.task)}_gap")]
        mean = {f"{rate(problem.task)}_gap": sum(rates) / len(rates)} if rates else {}
        return {**values, **gaps, **mean}

    return watch


def _measured(model: nn.Module, task: Task, examples: Examples, run: Run) -> tuple[float, float]:
    """Return the accuracy, or the mean probability of the answers, and the mean loss."""
    if isinstance(task, CausalLM):
        losses = example_losses(model, task, examples, run).double()
        return float((-losses).exp().mean()), float(losses.mean())
    classifier = as_classification(task, "--evaluate-every")
    logits = over_examples(model, task, examples, run, task.outputs, "outputs").double()
    labels = examples.tensor(classifier.label)
    chosen: Tensor = logits.log_softmax(1).gather(1, labels.long().unsqueeze(1))
    return float((logits.argmax(1) == labels).double().mean()), -float(chosen.mean())
