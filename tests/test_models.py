"""Models are told apart by every bit, saved and loaded without loss, and refused when they do not fit."""

from __future__ import annotations

import pytest
import torch

from lethe import models
from lethe.errors import InputError, StorageError
from tests.helpers import Tiny, tiny_problem


def test_the_fingerprint_sees_one_changed_bit_and_buffers():
    model = tiny_problem().model
    weight, buffer = models.copied(model), models.copied(model)
    with torch.no_grad():
        value = weight.first.weight[0, 0]
        value.copy_(torch.nextafter(value, value + 1))
    buffer.norm.running_mean += 1e-6
    assert models.same_weights(model, models.copied(model))
    assert not models.same_weights(model, weight)
    assert not models.same_weights(model, buffer)


def test_save_and_load_keep_every_bit(tmp_path):
    model = tiny_problem().model
    models.save(model, tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        other = Tiny()
    assert models.same_weights(models.load_weights(other, tmp_path), model)


def test_a_truncated_file_and_a_foreign_model_are_named(tmp_path):
    models.save(tiny_problem().model, tmp_path)
    with pytest.raises(InputError, match=r"do not fit the model: missing \['bias', 'weight'\]"):
        models.load_weights(torch.nn.Linear(4, 3), tmp_path)
    file = tmp_path / models.WEIGHTS
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StorageError, match="not a whole safetensors file"):
        models.load_weights(tiny_problem().model, tmp_path)


def test_new_weights_depend_on_the_seed_alone_and_leave_the_global_generator_alone():
    model = tiny_problem().model
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, again, other = (models.reinitialised(model, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert models.same_weights(one, again)
    assert not models.same_weights(one, other)
    assert not models.same_weights(one, model)


def test_a_module_that_cannot_draw_its_weights_again_is_named():
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3))

    with pytest.raises(InputError, match=r"module '0' \(Own\) has weights but no reset_parameters"):
        models.reinitialised(torch.nn.Sequential(Own()), 0)
