"""The reservoir: a uniform sample of all it was offered."""

from __future__ import annotations

import torch
from scipy.stats import chisquare

from lethe.methods.streaming.reservoir import Reservoir


def test_everything_seen_stands_in_the_memory_with_equal_probability() -> None:
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(40)
    for _ in range(2000):
        memory = Reservoir(10)
        for number in range(40):
            memory.offer(number, generator)
        counts[memory.members] += 1
    assert chisquare(counts.numpy()).pvalue > 0.01
    assert len(memory) == 10
    assert len(set(memory.members)) == 10
    assert sorted(memory.drawn(99, generator)) == sorted(memory.members)
    # A queue of the latest, the usual mistake, is told apart at once.
    queue = torch.zeros(40).index_fill(0, torch.arange(30, 40), 2000.0)
    assert chisquare(queue.numpy()).pvalue < 1e-6
