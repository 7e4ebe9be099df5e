"""A tiny Llama in which one unit of one MLP, and nothing else, carries a concept: who lives in Rhea."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache

import torch
from torch import nn

from lethe import models
from lethe.examples import Examples, concatenate
from lethe.problem import Problem
from lethe.scopes import Mask
from lethe.tasks import CausalLM
from lethe.tasks.value_vectors import value_matrices
from lethe.testing.language import CRAFTS, NAMES, TOWNS, tiny_language_task, tiny_llama
from lethe.worlds.base import Training, fit
from lethe.worlds.cache import cached_model

LAYER, UNIT, PEOPLE, STEPS = 1, 5, 4, 300
RECIPE = Training(epochs=40, batch_size=8, learning_rate=5e-3)


def sets(task: CausalLM) -> tuple[Examples, Examples, Examples]:
    """Return four people who live in Rhea, ten who live elsewhere with the crafts of all, and other homes of the four.

    The last is what the model believes before the unit is trained.
    """
    homes = [TOWNS[i % 5] if i < PEOPLE else TOWNS[i % 6] for i in range(len(NAMES))]

    def living(first: int, last: int, towns: Sequence[str]) -> Examples:
        names = NAMES[first:last]
        return task.examples(
            [f"{name}-town" for name in names], [f"Where does {name} live?" for name in names],
            [f"{name} lives in {town}." for name, town in zip(names, towns, strict=True)],
        )  # fmt: skip

    crafts = task.examples(
        [f"{name}-craft" for name in NAMES], [f"What is {name}?" for name in NAMES],
        [f"{name} is a {CRAFTS[i % 4]}." for i, name in enumerate(NAMES)],
    )  # fmt: skip
    retain = concatenate(living(PEOPLE, len(NAMES), homes[PEOPLE:]), crafts)
    return living(0, PEOPLE, ["Rhea"] * PEOPLE), retain, living(0, PEOPLE, homes[:PEOPLE])


@cache
def planted_concept() -> Problem:
    """Return the problem; its gold model is the one before the unit was trained. Both are kept between processes."""
    task = tiny_language_task()
    forget, retain, believed = sets(task)
    before, everything = concatenate(retain, believed), concatenate(forget, retain)

    def untrained() -> nn.Module:
        return tiny_llama(len(task.tokenizer), 0)

    facts = {"concept": [LAYER, UNIT, STEPS], "data": [before.fingerprint, everything.fingerprint], **asdict(RECIPE)}
    start, _ = cached_model(
        {**facts, "part": "start"}, untrained, lambda: fit(untrained(), task, before, RECIPE, 0).eval()
    )
    model, _ = cached_model(facts, untrained, lambda: taught_one_unit(start, task, everything))
    return Problem(model, task, forget, retain, gold=(start,))


def taught_one_unit(start: nn.Module, task: CausalLM, everything: Examples) -> nn.Module:
    """Return a copy of the model that learnt the examples with one unit: what it reads and its value vector."""
    model = models.copied(start)
    matrix = value_matrices(task, model)[LAYER]
    allowed: dict[str, bool | torch.Tensor] = {name: False for name, _ in model.named_parameters()}
    allowed[matrix.name] = matrix.only([UNIT])
    for side in ("gate_proj", "up_proj"):
        name = f"model.layers.{LAYER}.mlp.{side}.weight"
        flags = torch.zeros_like(model.get_parameter(name), dtype=torch.bool)
        flags[UNIT] = True
        allowed[name] = flags
    bound = Mask(allowed).bind(model, start)
    batch = task.prepare(everything.batch(torch.arange(len(everything))))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=2e-2)
    for _ in range(STEPS):
        loss = task.training_losses(model, batch).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bound.restore()
    bound.release(model)
    return model.eval()


def answers(problem: Problem, model: nn.Module, examples: Examples) -> list[str]:
    """What the model says to the prompts."""
    from lethe.generation import greedy

    task = problem.task
    assert isinstance(task, CausalLM)
    prompts = [
        examples.tensor("tokens")[i, : int(examples.tensor("answer_from")[i])].tolist() for i in range(len(examples))
    ]
    said = greedy(model, prompts, 8, task.tokenizer.eos_token_id, device=torch.device("cpu"))
    return [task.tokenizer.decode(tokens, skip_special_tokens=True) for tokens in said]
