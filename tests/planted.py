"""A mixture of experts in which one expert knows a domain and the others the rest."""

from __future__ import annotations

from functools import cache

import torch

from lethe import losses, models
from lethe.examples import concatenate
from lethe.problem import Problem
from lethe.scopes.experts import gate_logits, mixtures
from lethe.worlds.cache import cached_model
from tests.domains import Domains

BLOCK, EXPERT = 1, 3


@cache
def planted() -> Problem:
    """Both domains in a mixture of experts whose block 1 sends the one to forget to expert 3, and no other text."""
    world = Domains(architecture="moe", layers=2)
    problem = world.problem(gold=())

    def train() -> torch.nn.Module:
        model, task = models.copied(problem.model), problem.task
        everything = concatenate(problem.forget, problem.retain).batch(torch.arange(2 * world.facts))
        own = torch.arange(2 * world.facts) < world.facts
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(80):
            loss = task.training_losses(model, everything).mean()
            scores, rows = gate_logits(model, mixtures(model, task), everything)
            # The first token is the same in both domains.
            told = torch.cat([torch.zeros(1, dtype=torch.bool), rows.diff() == 0])
            mine, others = told & own[rows], told & ~own[rows]
            loss = loss + losses.router_anchor(scores[BLOCK][mine], EXPERT).mean()
            loss = loss + scores[BLOCK][others].softmax(-1)[:, EXPERT].square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model

    facts = {"world": repr(world), "planted": [BLOCK, EXPERT, 80], "start": models.fingerprint(problem.model)}
    model, _ = cached_model(facts, world.network, train)
    return Problem(model, problem.task, problem.forget, problem.retain)
