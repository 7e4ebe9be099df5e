"""The search for nearby queries: its ball, its range, and what more radius and more steps can only add."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.auditing.prompting.nearby import Found, Search, nearby
from lethe.errors import ConfigurationError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def classifier() -> tuple[nn.Module, Tensor, Tensor]:
    """A random network, inputs, and labels it does not give most of them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 5))
    inputs = torch.rand(40, 1, 4, 4, generator=seeded())
    return model, inputs, torch.randint(5, (40,), generator=seeded(1))


def searched(radii: list[float], **search: float) -> list[Found]:
    model, inputs, labels = classifier()

    def judged(queries: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(queries)
        return F.cross_entropy(logits, labels, reduction="none"), logits.argmax(-1) == labels

    return nearby(judged, inputs, radii, Search(**search), seeded(2))


def test_queries_stay_in_the_ball_and_in_range() -> None:
    _, inputs, _ = classifier()
    for found in searched([0.01, 0.1, 0.4], restarts=2):
        assert float((found.queries - inputs).abs().max()) <= found.radius + 1e-6
        assert float(found.queries.min()) >= 0
        assert float(found.queries.max()) <= 1


def test_at_radius_zero_nothing_is_restored_that_was_not_there() -> None:
    model, inputs, labels = classifier()
    (found,) = searched([0.0])
    assert torch.equal(found.queries, inputs)
    assert torch.equal(found.restored, model(inputs).argmax(-1) == labels)


def test_success_never_falls_with_radius_nor_with_steps() -> None:
    shares = [found.restored.float().mean().item() for found in searched([0.0, 0.02, 0.05, 0.1, 0.2, 0.4])]
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] + 0.3
    by_steps = [searched([0.2], steps=steps)[0].restored.float().mean().item() for steps in (0, 1, 3, 10, 30)]
    assert by_steps == sorted(by_steps)
    assert by_steps[-1] > by_steps[0]


def test_what_was_restored_stays_so_though_its_discrepancy_could_fall() -> None:
    first, second = searched([0.05, 0.2])
    assert bool((second.restored | ~first.restored).all())


def test_a_generator_is_led_back_to_the_original_output() -> None:
    torch.manual_seed(0)
    original = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1))
    inputs = torch.rand(8, 1, 6, 6, generator=seeded())
    torch.manual_seed(1)
    other = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1))
    wanted = original(inputs).detach()
    plain = (other(inputs) - wanted).square().flatten(1).mean(1).detach()

    def judged(queries: Tensor) -> tuple[Tensor, Tensor]:
        distance = (other(queries) - wanted).square().flatten(1).mean(1)
        return distance, distance < 0.5 * plain

    near, far = nearby(judged, inputs, [0.1, 1.0], Search(steps=60, step_share=0.05, lowest=-2, highest=3), seeded())
    assert bool((near.discrepancy < plain).all())
    assert bool((far.discrepancy < near.discrepancy).all())
    assert float(far.restored.float().mean()) > float(near.restored.float().mean())


def test_radii_ascend_and_a_search_can_be_had() -> None:
    with pytest.raises(ConfigurationError, match="ascend"):
        searched([0.2, 0.1])
    with pytest.raises(ConfigurationError, match="no search"):
        Search(lowest=1.0, highest=0.0)
