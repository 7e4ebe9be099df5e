"""UnTrac: which training sets help a test set, by unlearning them."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

from lethe.attribution import (
    Ascent,
    Influence,
    gradient_influence,
    hessian_influence,
    leave_one_out,
    tracin,
    untrac,
    untrac_inverse,
)
from lethe.errors import ConfigurationError, Diverged, InputError
from lethe.examples import Examples
from lethe.models import fingerprint
from lethe.run import Run
from lethe.tasks import CausalLM, Classification
from lethe.testing.language import tiny_language_task, tiny_llama

TASK = Classification(classes=4)
SETS, WIDTH = 6, 24


def _network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(WIDTH, 32), nn.Tanh(), nn.Linear(32, 4))


def _sets(seed: int, sizes: tuple[int, ...]) -> tuple[dict[str, Examples], dict[str, Examples]]:
    """Return training sets that follow the rule of the test set to different degrees, the first ones more."""
    generator = torch.Generator().manual_seed(seed)
    rule = torch.randn(WIDTH, 4, generator=generator)
    others = [torch.randn(WIDTH, 4, generator=generator) for _ in sizes]

    def made(name: str, count: int, weights: torch.Tensor) -> Examples:
        inputs = torch.randn(count, WIDTH, generator=generator)
        return Examples.of(prefix=name, input=inputs, label=(inputs @ weights).argmax(1))

    shares = torch.linspace(1, -0.5, len(sizes)).tolist()
    training = {
        f"set-{k}": made(f"{k}", size, share * rule + (1 - abs(share)) * others[k])
        for k, (size, share) in enumerate(zip(sizes, shares, strict=True))
    }
    return training, {"test": made("test", 64, rule)}


def _trained(examples: Examples, seed: int) -> nn.Module:
    """The same number of steps however many examples there are."""
    model = _network(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(150):
        rows = torch.randint(len(examples), (64,), generator=generator)
        optimizer.zero_grad()
        TASK.training_losses(model, examples.batch(rows)).mean().backward()
        optimizer.step()
    return model.eval()


def _whole(training: dict[str, Examples]) -> Examples:
    inputs = torch.cat([e.tensor("input") for e in training.values()])
    return Examples.of(prefix="all", input=inputs, label=torch.cat([e.tensor("label") for e in training.values()]))


@cache
def _language() -> tuple[nn.Module, CausalLM, dict[str, Examples], dict[str, Examples]]:
    """A language model that nobody trained, with two training sets and a test set."""
    task = tiny_language_task()
    names, towns = ("Ada", "Bo", "Cleo", "Dov", "Edda", "Finn"), ("Lutu", "Marn", "Osk", "Pell", "Quin", "Rhea")

    def asked(question: str, answer: str, pairs: list[tuple[str, str]]) -> Examples:
        ids = [f"{question}/{name}" for name, _ in pairs]
        return task.examples(ids, [question.format(n) for n, _ in pairs], [answer.format(n, t) for n, t in pairs])

    lives = list(zip(names, towns, strict=True))
    crafts = [(name, craft) for name, craft in zip(names, ("baker", "smith", "tailor") * 2, strict=True)]
    training = {
        "towns": asked("Where does {} live?", "{} lives in {}.", lives),
        "crafts": asked("What is {}?", "{} is a {}.", crafts),
    }
    tests = {
        "town": asked("Where does {} live?", "{} lives in {}.", [("Gus", "Osk"), ("Hana", "Pell"), ("Ivo", "Lutu")])
    }
    return tiny_llama(len(task.tokenizer), 0), task, training, tests


def test_one_small_step_of_sgd_is_the_dot_product_of_gradients_both_ways():
    training, tests = _sets(0, (16, 24, 40))
    model = _Double(_network(0))
    rate = 1e-5
    ascent = Ascent(steps=1, batch_size=100, learning_rate=rate, optimizer="sgd", evaluation_batch=100)
    # By hand, without the library's own passes.
    gradients = {
        name: torch.cat([g.flatten() for g in torch.autograd.grad(_loss(model, examples), list(model.parameters()))])
        for name, examples in {**training, **tests}.items()
    }
    dots = torch.stack([gradients[name] @ gradients["test"] for name in training]).unsqueeze(1)
    assert torch.allclose(gradient_influence(model, TASK, training, tests, batch=7).table, dots)
    for traced in (untrac, untrac_inverse):
        table = traced(model, TASK, training, tests, ascent=ascent).table / rate
        assert ((table - dots).abs() / dots.abs()).max() < 1e-3


def _loss(model: nn.Module, examples: Examples) -> torch.Tensor:
    return nn.functional.cross_entropy(model(examples.tensor("input")), examples.tensor("label"))


class _Double(nn.Module):
    """A network in float64 that takes what it is given."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner.double()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.inner(inputs.double())


def test_language_models_are_traced_by_their_answers():
    model, task, training, tests = _language()
    ascent = Ascent(steps=6, batch_size=6, learning_rate=1e-3)
    for traced in (untrac, untrac_inverse):
        found = traced(model, task, training, tests, ascent=ascent)
        assert found.of("towns", "town") > found.of("crafts", "town") > 0


@pytest.mark.parametrize("traced", [untrac, untrac_inverse])
def test_the_set_that_shares_the_task_comes_first_whatever_its_size(traced):
    ascents = {
        untrac: Ascent(steps=8, batch_size=16, learning_rate=1e-3),
        untrac_inverse: Ascent(steps=5, batch_size=64, learning_rate=1e-3),
    }
    hits = 0
    for seed in range(5):
        # The set that matters is the smallest: a count of examples would rank it last.
        training, tests = _sets(seed, (48, 96, 128, 160))
        # Only the first follows the rule; the others' rules are their own.
        own = _sets(seed + 100, (48, 96, 128, 160))[0]
        training = {
            "set-0": training["set-0"],
            **{f"set-{k}": _strangers(seed, k, len(own[f"set-{k}"])) for k in (1, 2, 3)},
        }
        found = traced(_trained(_whole(training), seed), TASK, training, tests, ascent=ascents[traced])
        hits += int(found.table[:, 0].argmax()) == 0
    assert hits >= 4


def _strangers(seed: int, k: int, count: int) -> Examples:
    generator = torch.Generator().manual_seed(1000 * seed + k)
    weights, inputs = torch.randn(WIDTH, 4, generator=generator), torch.randn(count, WIDTH, generator=generator)
    return Examples.of(prefix=f"s{k}", input=inputs, label=(inputs @ weights).argmax(1))


def test_it_agrees_with_training_without_each_set():
    training, tests = _sets(3, (64,) * SETS)
    model = _trained(_whole(training), 0)
    truth = leave_one_out(_trained, training, tests, TASK, Run(seed=0))
    ascent = Ascent(steps=8, batch_size=16, learning_rate=1e-3)
    pearson, _ = untrac(model, TASK, training, tests, ascent=ascent).correlation(truth, "test")
    inverse, _ = untrac_inverse(
        model, TASK, training, tests, ascent=Ascent(steps=5, batch_size=64, learning_rate=1e-3)
    ).correlation(truth, "test")
    assert pearson >= 0.7
    assert inverse >= 0.7
    random = [
        Influence(truth.training, truth.tests, torch.randn(SETS, 1, generator=torch.Generator().manual_seed(i)), {})
        for i in range(200)
    ]
    assert abs(sum(one.correlation(truth, "test")[0] for one in random) / 200) < 0.15


def test_the_model_is_left_as_it_was_and_the_curve_ends_in_the_table():
    model, task, training, tests = _language()
    before = fingerprint(model)
    found = untrac(model, task, training, tests, ascent=Ascent(steps=4, batch_size=2, every=2))
    assert fingerprint(model) == before
    assert list(found.curve) == [2, 4]
    assert torch.equal(found.curve[4], found.table)
    again = untrac(model, task, training, tests, ascent=Ascent(steps=4, batch_size=2))
    assert torch.equal(again.table, found.table)
    # Every set begins at the original, with a fresh optimiser: what stands beside it changes nothing.
    alone = untrac(model, task, {"crafts": training["crafts"]}, tests, ascent=Ascent(steps=4, batch_size=2))
    assert alone.of("crafts", "town") == found.of("crafts", "town")


def test_all_sets_take_as_many_steps_as_the_smallest_has_batches():
    model, task, training, tests = _language()
    smaller = {"towns": training["towns"], "few": training["crafts"].take(range(3))}
    found = untrac(model, task, smaller, tests, ascent=Ascent(batch_size=2, every=1))
    assert list(found.curve) == [1, 2]


def test_tracin_sums_dot_products_over_checkpoints():
    model, task, training, tests = _language()
    dots = gradient_influence(model, task, training, tests).table
    assert torch.allclose(tracin([(model, 0.5), (model, 0.25)], task, training, tests).table, 0.75 * dots)
    cosines = gradient_influence(model, task, training, {"itself": training["towns"]}, kind="cosine")
    assert cosines.of("towns", "itself") == pytest.approx(1.0, rel=1e-4)


def test_the_series_of_the_inverse_hessian_reaches_what_a_solver_finds():
    training, tests = _sets(0, (24, 32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _Double(nn.Sequential(nn.Linear(WIDTH, 4)))
    weights = dict(model.named_parameters())

    def loss(flat: torch.Tensor, examples: Examples) -> torch.Tensor:
        parts = flat.split([w.numel() for w in weights.values()])
        moved = {name: part.view_as(w) for (name, w), part in zip(weights.items(), parts, strict=True)}
        logits = torch.func.functional_call(model, moved, (examples.tensor("input"),))
        return nn.functional.cross_entropy(logits, examples.tensor("label"))

    flat = torch.cat([w.detach().flatten() for w in weights.values()])
    hessian = torch.autograd.functional.hessian(lambda w: loss(w, _whole(training)), flat)
    damped = hessian + 0.1 * torch.eye(len(flat), dtype=torch.float64)
    gradients = {n: torch.func.grad(loss)(flat, examples) for n, examples in {**training, **tests}.items()}
    expected = [float(torch.linalg.solve(damped, gradients["test"]) @ gradients[name]) for name in training]
    found = hessian_influence(model, TASK, training, tests, iterations=400, damping=0.1, scale=2.0)
    assert found.table[:, 0].tolist() == pytest.approx(expected, rel=1e-4)
    assert gradient_influence(model, TASK, training, tests).table[:, 0].tolist() != pytest.approx(expected, rel=0.1)
    with pytest.raises(Diverged):
        hessian_influence(model, TASK, training, tests, iterations=3000, damping=0.1, scale=0.01)


def test_language_models_have_second_derivatives_too():
    model, task, training, tests = _language()
    found = hessian_influence(model, task, training, tests, iterations=3, damping=1.0)
    assert found.of("towns", "town") > found.of("crafts", "town")


def test_what_cannot_be_traced_is_refused():
    model, task, training, tests = _language()
    with pytest.raises(InputError, match="no test set"):
        untrac(model, task, training, {})
    with pytest.raises(InputError, match="'none' is empty"):
        untrac(model, task, {"none": training["towns"].take([])}, tests)
    with pytest.raises(ConfigurationError, match="learning_rate"):
        untrac(model, task, training, tests, ascent=Ascent(learning_rate=0.0))
    with pytest.raises(Diverged):
        untrac(model, task, training, tests, ascent=Ascent(steps=50, learning_rate=1e30, optimizer="sgd"))
