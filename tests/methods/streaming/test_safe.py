"""SAFE: a class asked for in ten requests is gone at the end, the others stay, and the data are read no more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lethe.class_statistics import ClassStatistics
from lethe.errors import ConfigurationError, Diverged, InputError
from lethe.examples import Examples, concatenate
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.exact.ridge import Ridge
from lethe.methods.streaming.safe import Safe, SafeService, posterior
from lethe.models import fingerprint
from lethe.problem import Problem
from lethe.run import Run
from lethe.streams.requests import cut
from lethe.streams.rounds import Round
from lethe.streams.running import Stream
from lethe.tasks import Classification


@pytest.fixture(scope="module")
def answered(whole_class: Problem) -> list[Round]:
    requests = cut(whole_class.forget, 10, 0)
    return list(Stream(method=Safe(), requests=requests)(whole_class).rounds)


def test_a_class_is_gone_after_its_last_request_and_the_others_stay(answered: list[Round]) -> None:
    assert answered[-1].values["forgotten"] < 0.1
    for name in ("retain", "holdout"):
        assert answered[0].values[name] - answered[-1].values[name] < 0.05
    # Half of the class is still there after five, and still said, as gold would.
    assert answered[5].values["forgotten"] > 0.8


def test_ascent_that_forgets_as_much_loses_the_rest(whole_class: Problem, answered: list[Round]) -> None:
    """At lower rates it forgets nothing in these requests, at higher ones it ends in numbers that are not finite."""
    stream = Stream(method=GradientAscent(epochs=5, learning_rate=1e-2), requests=cut(whole_class.forget, 10, 0))
    try:
        last = stream(whole_class).rounds[-1].values
    except Diverged:
        return
    lost = answered[0].values["holdout"] - answered[-1].values["holdout"]
    assert last["forgotten"] < 0.1
    assert answered[0].values["holdout"] - last["holdout"] > max(3 * lost, 0.3)


def test_a_request_costs_the_same_however_many_came_before_and_reads_nothing_else(whole_class: Problem) -> None:
    service = Safe().fit(whole_class.model, whole_class.task, concatenate(whole_class.kept, whole_class.forget))
    took = [service.delete([name]).examples for name in whole_class.forget.ids[:5]]
    assert len(set(took)) == 1
    drawn = Safe().steps * Safe().batch_size
    assert took[0] == drawn + 1


def test_statistics_and_head_come_back_from_the_folder(whole_class: Problem, tmp_path: Path) -> None:
    everything = concatenate(whole_class.kept, whole_class.forget)

    def opened() -> SafeService:
        return Safe(steps=5).fit(whole_class.model, whole_class.task, everything, folder=tmp_path)

    service = opened()
    service.delete(whole_class.forget.ids[:10])
    again = opened()
    assert fingerprint(again.model()) == fingerprint(service.model())
    assert again.statistics.counts.equal(service.statistics.counts)


def test_least_squares_on_the_statistics_is_least_squares_on_what_is_left() -> None:
    """The sums are all a linear head needs: the solution from them is that of the rows, in one request or in many."""
    generator = torch.Generator().manual_seed(0)
    rows, labels = torch.randn(120, 6, generator=generator).double(), torch.randint(3, (120,), generator=generator)
    many = one = ClassStatistics.of(rows, labels, 3)
    for i in range(40):
        many = many.without(rows[[i]], labels[[i]])
    one = one.without(rows[:40], labels[:40])
    targets = torch.eye(3, dtype=torch.float64)[labels[40:]]
    direct = Ridge.empty(6, 3, 0.1).learnt(rows[40:], targets).weight
    for found in (one, many):
        gram = found.products.sum(0) + 0.1 * torch.eye(6, dtype=torch.float64)
        torch.testing.assert_close(torch.linalg.solve(gram, found.sums.T), direct, rtol=1e-6, atol=1e-9)


def test_regret_grows_slower_than_the_number_of_requests() -> None:
    """A convex problem and a stream that hardly moves its optimum: the head follows, and a head that stays does not."""
    requests, generator = 24, torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    rows = torch.randn(300, 4, generator=generator) + 1.5 * torch.eye(4)[labels]
    examples = Examples.of(image=rows.view(-1, 1, 2, 2), label=labels)
    base = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    task = Classification(classes=3, input="image", head_name="1")
    service = Safe(learning_rate=0.005).fit(base, task, examples)
    follows, stays = list[float](), list[float]()
    for name in examples.ids[:requests]:
        service.delete([name])
        left = examples.select(service.live)
        least = risk(task, optimal(task, left), left)
        follows.append(risk(task, service.model(), left) - least)
        stays.append(risk(task, base, left) - least)
    assert growth(stays) > 0.95
    assert growth(follows) < 0.6


def risk(task: Classification, model: nn.Module, examples: Examples) -> float:
    with torch.no_grad():
        return float(task.losses(model, examples.batch(torch.arange(len(examples)))).mean())


def optimal(task: Classification, examples: Examples) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")
    batch = examples.batch(torch.arange(len(examples)))

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = task.losses(model, batch).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


def growth(regrets: list[float]) -> float:
    """Return the slope of log R_T against log T, from a third of the way on."""
    total, first = torch.tensor(regrets).cumsum(0), len(regrets) // 3
    return float((total[-1] / total[first - 1]).log() / torch.tensor(len(regrets) / first).log())


def test_what_the_gaussians_say_is_the_class_of_well_separated_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    rows = torch.randn(300, 4, generator=generator) + 6 * torch.eye(4)[labels]
    said = posterior(ClassStatistics.of(rows, labels, 3), rows.double())
    assert float((said.argmax(1) == labels).double().mean()) > 0.99
    without = ClassStatistics.of(rows, labels, 3).without(rows[labels == 2], labels[labels == 2])
    assert float(posterior(without, rows.double())[:, 2].max()) == 0.0


def test_what_it_cannot_serve_is_refused(whole_class: Problem) -> None:
    everything = concatenate(whole_class.kept, whole_class.forget)
    with pytest.raises(ConfigurationError, match="steps must be at least 1"):
        Safe(steps=0).fit(whole_class.model, whole_class.task, everything)
    convolution = nn.Sequential(nn.Flatten(), nn.Conv1d(1, 10, 64))
    with pytest.raises(InputError, match="the head is a Conv1d"):
        Safe().fit(convolution, Classification(classes=10, input="image", head_name="1"), everything)


def test_as_a_method_it_answers_one_request(whole_class: Problem) -> None:
    some = dataclasses.replace(whole_class, forget=whole_class.forget.take(range(5)))
    model = Safe(steps=3).unlearn(some, Run())
    head, before = whole_class.task.head(model), whole_class.task.head(whole_class.model)
    assert not head.weight.equal(before.weight)  # type: ignore[union-attr,operator,arg-type]
    moved = [
        n for (n, a), b in zip(model.named_parameters(), whole_class.model.parameters(), strict=True) if not a.equal(b)
    ]
    assert all(name.startswith("head.") for name in moved)
