"""Reading classifiers: logits, features and layers of the shown examples."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.auditing.measure import measure
from lethe.examples import Examples
from lethe.run import Run
from lethe.tasks import Classification
from lethe.ui.readings import Reading, means

TEMPERATURE = 2.0
"""Of the softmax whose entropy is taken, as in the Unlearning Comparator (arXiv:2508.12730)."""


def read(
    model: nn.Module,
    task: Classification,
    sets: Mapping[str, Examples],
    compared: Mapping[str, Examples],
    run: Run,
) -> Reading:
    """Forward every example once, and a sample of each set once more for its layers.

    Args:
        model: on the run's device.
        task: how it is fed.
        sets: the shown examples.
        compared: those of them that layers are compared on.
        run: device and progress.

    Raises:
        InputError: the head is not linear, or an output is not finite.
    """
    rows = measure(model, task, sets, run).sets
    logits = torch.cat([rows[name].logits for name in sets])
    labels = torch.cat([rows[name].labels for name in sets])
    # The layers of a set are kept where the measurement calls it the forget set.
    layers = {
        name: dict(measure(model, task, {"forget": some}, run, activations=True)["forget"].activations)
        for name, some in compared.items()
    }
    counts = {name: len(examples) for name, examples in sets.items()}
    columns = {name: value.double().numpy() for name, value in statistics(logits, labels).items()}
    right = (logits.argmax(1) == labels).double().numpy()
    return Reading(
        sets=counts,
        columns=columns,
        means=means({"accuracy": right, **{n: v for n, v in columns.items() if n != "prediction"}}, counts),
        features=torch.cat([rows[name].features for name in sets]).numpy(),
        layers=layers,
        logits=logits,
        labels=labels,
    )


def statistics(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return what an attacker sees of each example, [N] each.

    Entropy H(softmax(z / 2)) in nats; confidence ln p_max - ln(1 - p_max); loss -ln p_label; truth p_label.

    >>> found = statistics(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    >>> {name: round(float(value[0]), 4) for name, value in found.items()}
    {'prediction': 0.0, 'truth': 0.5, 'entropy': 0.6931, 'confidence': 0.0, 'loss': 0.6931}
    """
    logs = F.log_softmax(logits.double(), 1)
    soft = F.log_softmax(logits.double() / TEMPERATURE, 1)
    prediction = logits.argmax(1)
    top = logs.gather(1, prediction.unsqueeze(1)).squeeze(1)
    # ln(1 - p_max) is the log of all other classes together: exact also where p_max rounds to 1.
    rest = logs.scatter(1, prediction.unsqueeze(1), -torch.inf).logsumexp(1)
    loss = -logs.gather(1, labels.unsqueeze(1)).squeeze(1)
    return {
        "prediction": prediction.double(),
        "truth": torch.exp(-loss),
        "entropy": -(soft.exp() * soft).sum(1),
        "confidence": top - rest,
        "loss": loss,
    }


def probabilities(logits: Tensor, least: float = 1e-3) -> list[dict[str, float]]:
    """Return the probability of each class above `least`, an example a mapping.

    >>> probabilities(torch.tensor([[0.0, 0.0, -20.0]]))
    [{'0': 0.5, '1': 0.5}]
    """
    soft = torch.softmax(logits.double(), 1)
    return [{str(k): round(p, 6) for k, p in enumerate(row) if p > least} for row in soft.tolist()]
