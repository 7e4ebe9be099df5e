"""Soup: the mean of what shards have taught, from which a shard is taken without training."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from lethe.examples import concatenate
from lethe.methods.exact.sharded import ShardedService, place
from lethe.methods.exact.soup import Soup, mean_of
from lethe.models import copied, fingerprint
from lethe.tasks import Classification
from lethe.testing.language import tiny_language_problem
from lethe.worlds.base import Training, fit
from lethe.worlds.digits import DigitsCNN, load_digits

TASK = Classification(classes=10, input="image", scale=1 / 16)
DIGITS = load_digits()
SOUP = Soup(shards=4, epochs=1, batch_size=16)


def pretrained() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = DigitsCNN()
    return fit(model, TASK, DIGITS.take(range(1000, 1500)), Training(epochs=3, batch_size=32), 0).eval()


BASE = pretrained()
SHARES = [[name for name in DIGITS.ids[:80] if place(name, 0, 4, "shard") == shard] for shard in range(4)]


def fitted(ids: list[str]) -> ShardedService:
    service = SOUP.fit(BASE, TASK, DIGITS.select(ids))
    assert isinstance(service, ShardedService)
    return service


EVERYTHING = list(itertools.chain(*SHARES))


def test_a_shard_is_taken_out_without_training() -> None:
    service = fitted(EVERYTHING)
    took = service.delete(SHARES[2])
    assert (took.steps, took.examples) == (0, 0)
    others = [name for i, share in enumerate(SHARES) if i != 2 for name in share]
    assert fingerprint(service.model()) == fingerprint(fitted(others).model())


def test_inside_a_shard_that_shard_alone_is_trained_again() -> None:
    service = fitted(EVERYTHING)
    took = service.delete([SHARES[1][0]])
    assert took.examples == len(SHARES[1]) - 1
    assert fingerprint(service.model()) == fingerprint(fitted([n for n in EVERYTHING if n != SHARES[1][0]]).model())


def test_the_order_of_deletions_is_of_no_consequence() -> None:
    one, other = fitted(EVERYTHING), fitted(EVERYTHING)
    for shard in (0, 3):
        one.delete(SHARES[shard])
    for shard in (3, 0):
        other.delete(SHARES[shard])
    assert fingerprint(one.model()) == fingerprint(other.model())


def test_the_mean_of_equal_models_is_the_model_and_of_linear_ones_the_mean_of_their_answers() -> None:
    assert fingerprint(mean_of([BASE, copied(BASE), copied(BASE)])) == fingerprint(BASE)
    models = [nn.Linear(5, 3) for _ in range(3)]
    x = torch.randn(7, 5)
    torch.testing.assert_close(mean_of(models)(x), torch.stack([model(x) for model in models]).mean(0))


def test_what_one_shard_alone_memorised_is_damped_in_the_mean() -> None:
    """Wrong labels in one shard: a model fine-tuned on everything learns them, the mean of shards far less."""
    digits = DIGITS.select(EVERYTHING)
    own = torch.tensor([place(name, 0, 4, "shard") == 0 for name in digits.ids])
    labels = torch.where(own, (digits.tensor("label") + 1) % 10, digits.tensor("label"))
    wrong = digits.with_column("label", labels)
    soup = Soup(shards=4, epochs=40, batch_size=16, learning_rate=2e-3)
    served = soup.fit(BASE, TASK, wrong).model()
    paragon = Soup(shards=1, epochs=40, batch_size=16, learning_rate=2e-3).fit(BASE, TASK, wrong).model()
    poisoned = wrong.take(own.nonzero().flatten()).batch(torch.arange(int(own.sum())))

    def learnt(model: nn.Module) -> float:
        with torch.no_grad():
            return float((TASK.outputs(model, poisoned).argmax(-1) == TASK.labels(poisoned)).float().mean())

    assert learnt(paragon) > 0.9
    assert learnt(served) < learnt(paragon) / 2


def test_texts_are_deleted_from_a_soup_of_language_models() -> None:
    problem = tiny_language_problem()
    everything = concatenate(problem.kept, problem.forget)
    soup = Soup(shards=2, epochs=1, batch_size=4)
    service = soup.fit(problem.model, problem.task, everything)
    service.delete(problem.forget.ids)
    assert fingerprint(service.model()) == fingerprint(soup.fit(problem.model, problem.task, problem.kept).model())
