"""SalUn and SSD forget a class from a published ResNet-20 on CIFAR-10 and from a vision transformer on MNIST."""

from __future__ import annotations

from pathlib import Path

import pytest

from lethe.api import unlearn
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.salun import SalUn
from lethe.methods.edits.ssd import SSD
from lethe.problem import Problem
from lethe.worlds.cifar10 import Cifar10, data_folder
from lethe.worlds.mnist import Mnist
from tests.helpers import accuracies, gap_to_gold

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def cats(data: Path) -> Problem:
    return Cifar10(data).problem()


@pytest.fixture(scope="module")
def threes(data: Path) -> Problem:
    return Mnist(data).problem(gold=(1,))


def test_the_published_weights_do_what_their_source_measured(cats):
    # 81.4 % on all 2,000 re-encoded test images; the cat is the hardest class and left out here.
    assert 0.80 < accuracies(cats, cats.model)[2] < 0.86


@pytest.mark.parametrize(
    "method", [SalUn(epochs=3, batch_size=64), SSD(alpha=6, batch_size=32)], ids=lambda m: type(m).__name__
)
def test_a_class_is_forgotten_from_the_published_resnet(cats, method):
    before = accuracies(cats, cats.model)
    after = accuracies(cats, unlearn(cats, method).model)
    assert before[0] > 0.75
    assert after[0] < 0.1
    assert after[2] > before[2] - 0.05


def test_fine_tuning_leaves_more_of_the_class(cats):
    assert accuracies(cats, unlearn(cats, FineTune(epochs=3, batch_size=64)).model)[0] > 0.15


@pytest.mark.parametrize(
    "method",
    [SalUn(epochs=3, batch_size=64, learning_rate=5e-4, optimizer="adamw"), SSD(alpha=7)],
    ids=lambda m: type(m).__name__,
)
def test_a_digit_is_forgotten_from_the_vision_transformer_nearly_as_by_retraining(threes, method):
    assert accuracies(threes, threes.model)[0] > 0.95
    assert accuracies(threes, threes.gold[0])[0] == 0
    after = unlearn(threes, method).model
    assert accuracies(threes, after)[0] < 0.05
    assert gap_to_gold(threes, after) < 0.02
    assert gap_to_gold(threes, after) < 0.5 * gap_to_gold(threes, unlearn(threes, FineTune(epochs=3)).model)
