"""SimNPO's own experiment, card 066: chains of which some are short, or were never learnt, and all are forgotten."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from lethe.api import unlearn
from lethe.examples import Examples, concatenate
from lethe.methods.descent.npo import NPO
from lethe.methods.descent.simnpo import SimNPO
from lethe.problem import Problem
from lethe.tasks import CausalLM, PlainText
from lethe.testing.language import NAMES, tiny_language_task, tiny_llama
from lethe.worlds.base import Training, fit
from lethe.worlds.cache import cached_model

STATES, HOME, COUNT, LONG = NAMES[:10], 3, 1000, 20
RECIPE = Training(epochs=5, batch_size=64, learning_rate=5e-3)
# 50 steps of four sequences, on the forget set alone.
STEPS = {"epochs": 1, "batch_size": 4, "learning_rate": 5e-4, "retain": "none"} | {
    "warmup_epochs": 0.0, "schedule": "constant"
}  # fmt: skip


class Mixture:
    """Three chains over ten states: chain k moves from one of its three home states to another with 0.8."""

    def __init__(self, last: int) -> None:
        self.task = CausalLM(tiny_language_task().tokenizer, template=PlainText(), context=64)
        self.lengths = {"retain": LONG, "first": LONG, "second": last}

    def drawn(self, name: str, count: int, seed: int) -> Examples:
        """Return sequences of one chain; the first state is given."""
        chain, random = list(self.lengths).index(name), torch.Generator().manual_seed(seed)
        home = torch.arange(HOME * chain, HOME * (chain + 1))
        moves = torch.full((len(STATES), len(STATES)), 0.1)
        moves[home] = 0.2 / (len(STATES) - HOME)
        moves[home.unsqueeze(1), home] = 0.8 / HOME
        states = [home[torch.randint(HOME, (count,), generator=random)]]
        for _ in range(self.lengths[name] - 1):
            states.append(torch.multinomial(moves[states[-1]], 1, generator=random).squeeze(1))
        lines = [[STATES[i] for i in row] for row in torch.stack(states, 1).tolist()]
        ids = [f"{name} {seed} {i}" for i in range(count)]
        return self.task.examples(ids, [line[0] for line in lines], [" ".join(line[1:]) for line in lines])

    def trained(self, examples: Examples, seed: int) -> torch.nn.Module:
        """Return a model trained on them from scratch."""
        recipe = {"world": "markov", "data": examples.fingerprint, "training": asdict(RECIPE), "seed": seed}

        def untrained() -> torch.nn.Module:
            return tiny_llama(len(self.task.tokenizer), seed)

        return cached_model(recipe, untrained, lambda: fit(untrained(), self.task, examples, RECIPE, seed))[0]

    def divergence(self, gold: torch.nn.Module, model: torch.nn.Module, examples: Examples) -> float:
        """Return the mean over tokens of KL(gold ‖ model)."""
        batch = examples.batch(torch.arange(len(examples)))
        with torch.no_grad():
            p, q = (self.task.outputs(one.eval(), batch).log_softmax(-1) for one in (gold, model))
        return float((p.exp() * (p - q)).sum(-1).mean())


def paths(last: int, learnt: bool, beta: float) -> dict[str, list[dict[str, float]]]:
    """Return KL to the retrained model on each chain, of the original and after every 10 steps of either method."""
    mixture = Mixture(last)
    retain, first, second = (
        mixture.drawn(name, count, seed)
        for name, count, seed in (("retain", 2 * COUNT, 1), ("first", COUNT, 2), ("second", COUNT, 3))
    )
    gold = mixture.trained(retain, 1)
    known = concatenate(retain, first)
    original = mixture.trained(concatenate(known, second) if learnt else known, 0)
    tests = {name: mixture.drawn(name, 200, 10) for name in mixture.lengths}

    def measured(model):
        return {name: mixture.divergence(gold, model, examples) for name, examples in tests.items()}

    forget = concatenate(first, second).sample(200, torch.Generator().manual_seed(0))
    problem = Problem(original, mixture.task, forget)
    found = {"original": [measured(original)]}
    for name, method in (("npo", NPO(beta=beta, **STEPS)), ("simnpo", SimNPO(beta=4.0, forget_weight=1.0, **STEPS))):
        found[name] = []

        def watch(model, path=found[name]):
            path.append(measured(model))
            return {}

        unlearn(problem, method, watch=watch, watch_every=10)
    return found


@pytest.mark.slow
def test_short_sequences_are_forgotten_at_less_cost_than_with_npo():
    found = paths(last=5, learnt=True, beta=0.2)
    npo, simnpo = found["npo"][-1], found["simnpo"][-1]
    assert simnpo["second"] < 0.5 * found["original"][0]["second"]
    assert simnpo["second"] < 0.5 * npo["second"]
    assert simnpo["retain"] < 1.1 * npo["retain"]


@pytest.mark.slow
def test_where_half_was_never_learnt_the_other_half_is_forgotten_at_less_cost_than_with_npo():
    found = paths(last=LONG, learnt=False, beta=1.0)
    before = found["original"][0]
    best = min(found["simnpo"], key=lambda at: at["first"])
    assert best["first"] < 0.5 * before["first"]
    assert best["retain"] < 0.05
    assert best["second"] < before["second"]
    # NPO comes no nearer to the retrained model on what was learnt, and pushes away what was not.
    assert min(at["first"] for at in found["npo"]) > 0.8 * before["first"]
    assert found["npo"][-1]["second"] > before["second"]
    assert found["npo"][-1]["retain"] > best["retain"]
