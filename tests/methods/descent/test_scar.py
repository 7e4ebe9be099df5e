"""SCAR removes a class without reading a retain image after the statistics are taken, or even an image of the class."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from lethe.api import unlearn
from lethe.class_statistics import ClassStatistics
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate
from lethe.feeds import Draw
from lethe.losses import cosine_distance, tukey
from lethe.measuring import example_outputs
from lethe.methods.descent.class_gaussians import ClassGaussians, correlation, feature_statistics, shrunk
from lethe.methods.descent.scar import Scar
from lethe.methods.descent.scar_self import ScarSelf
from lethe.methods.descent.surrogates import surrogates
from lethe.models import same_weights
from lethe.problem import Problem
from lethe.run import Run
from tests.helpers import accuracies, gap_to_gold
from tests.methods.descent.elsewhere import patches

SMALL = {"epochs": 15, "batch_size": 128, "learning_rate": 2e-3}
PATCHES = 1500


@pytest.fixture(scope="module")
def kept(whole_class: Problem) -> ClassStatistics:
    """What was kept from training: statistics of everything, the class included."""
    everything = concatenate(whole_class.retain, whole_class.forget)
    return feature_statistics(whole_class.model, whole_class.task, everything, Run())


@pytest.fixture(scope="module")
def bare(whole_class: Problem) -> Problem:
    """The problem without its retain set."""
    return dataclasses.replace(whole_class, retain=None, retrain=None, gold=())


def test_a_class_is_removed_without_a_retain_set_better_on_real_images_than_on_noise_or_none(whole_class, bare, kept):
    before = accuracies(whole_class, whole_class.model)
    ways = {
        "real": Scar(**SMALL, statistics=kept, surrogate=patches(PATCHES)),
        "noise": Scar(**SMALL, statistics=kept, noise_count=PATCHES),
        "none": Scar(**SMALL, statistics=kept, surrogate=patches(PATCHES), retain_weight=0.0),
    }
    models = {name: unlearn(bare, method).model for name, method in ways.items()}
    forget, retain, test = accuracies(whole_class, models["real"])
    assert forget < 0.05
    assert test > before[2] - 0.05
    assert accuracies(whole_class, models["none"])[1] < retain - 0.1
    gaps = {name: gap_to_gold(whole_class, model) for name, model in models.items()}
    assert gaps["real"] < gaps["noise"] < gaps["none"]


def test_a_class_is_removed_without_an_image_of_it(whole_class, kept):
    method = ScarSelf(epochs=20, batch_size=128, learning_rate=2e-3, retain_weight=1.0, surrogate=patches(PATCHES))
    method = dataclasses.replace(method, statistics=kept)
    other = torch.randint(0, 17, whole_class.forget.tensor("image").shape, dtype=torch.uint8)
    unseen = dataclasses.replace(
        whole_class, forget=whole_class.forget.with_column("image", other), retain=None, retrain=None, gold=()
    )
    model = unlearn(unseen, method).model
    forget, _, test = accuracies(whole_class, model)
    assert forget < 0.5
    assert test > accuracies(whole_class, whole_class.model)[2] - 0.05
    short = dataclasses.replace(method, epochs=1)
    assert same_weights(unlearn(unseen, short).model, unlearn(whole_class, short).model)
    alone = unlearn(unseen, dataclasses.replace(method, forget_weight=0.0)).model
    assert accuracies(whole_class, alone)[0] > forget + 0.2


def test_statistics_of_everything_and_of_the_retain_set_leave_the_same(whole_class, bare, kept):
    task = whole_class.task
    one = Scar().left(whole_class, task, Run())
    other = Scar(statistics=kept).left(bare, task, Run())
    torch.testing.assert_close(one.counts, other.counts)
    torch.testing.assert_close(one.means, other.means, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(one.covariances, other.covariances, rtol=1e-6, atol=1e-9)
    assert float(one.counts[3]) == 0


def test_distances_are_those_of_the_formula_and_tend_to_the_cosine(whole_class):
    generator = torch.Generator().manual_seed(0)
    rows, labels = torch.rand(200, 6, generator=generator).double(), torch.arange(200) % 2
    statistics, u = ClassStatistics.of(rows, labels, 3), torch.rand(5, 6, generator=generator).double()
    found = ClassGaussians.of(statistics, 3.0, 3.0, 2).distances(u)
    assert bool(found[:, 2].isinf().all())
    for label in (0, 1):
        own = rows[labels == label]
        covariance = torch.cov(own.T)  # by n - 1: the correlation is the same
        for _ in range(2):
            off = covariance - torch.diag(covariance.diagonal())
            mean_off = off.sum() / 30
            covariance = (
                covariance + 3 * covariance.diagonal().mean() * torch.eye(6) + 3 * mean_off * (1 - torch.eye(6))
            )
        deviations = covariance.diagonal().sqrt()
        inverse = torch.linalg.pinv(covariance / torch.outer(deviations, deviations))
        away = u / u.norm(dim=1, keepdim=True) - own.mean(0) / own.mean(0).norm()
        expected = torch.einsum("bi,ij,bj->b", away, inverse, away)
        torch.testing.assert_close(found[:, label], expected, rtol=1e-4, atol=1e-6)
    loose = ClassGaussians.of(statistics, 1e9, 0.0, 1)
    cosines = 2 * cosine_distance(u.unsqueeze(1), statistics.means[:2])
    torch.testing.assert_close(loose.distances(u)[:, :2], cosines, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(loose.distance_to(u, torch.tensor([0, 1, 0, 1, 1])), cosines[range(5), [0, 1, 0, 1, 1]],
                               rtol=1e-4, atol=1e-6)  # fmt: skip


def test_equal_shrinkage_leaves_no_negative_direction():
    rows = torch.randn(4, 30, generator=torch.Generator().manual_seed(0)).double()
    covariance = shrunk(torch.cov(rows.T), 3.0, 3.0)
    assert float(torch.linalg.eigvalsh(correlation(covariance)).min()) > -1e-9


def test_the_teacher_never_says_the_class_that_is_removed(whole_class, kept):
    method = Scar(statistics=kept, surrogate=patches(200), temperature=2.0, retain_weight=1.0)
    left = dataclasses.replace(method, statistics=method.left(whole_class, whole_class.task, Run()))
    problem = left.divided(
        whole_class, whole_class.task, surrogates(whole_class, whole_class.task, patches(200), "", 1, Run())
    )
    said = example_outputs(problem.model, problem.task, problem.retain, Run()).double()
    assert 0 < len(said) < 200
    assert bool((said.argmax(1) != 3).all())
    masked = said.clone()
    masked[:, 3] = said.min()
    target = (masked / 2).softmax(1)
    expected = (target * (target.log() - said.log_softmax(1))).sum(1)
    batch, images = problem.forget.batch(torch.arange(3)), problem.retain.batch(torch.arange(20))
    with torch.no_grad():
        found = left.objective(problem, Run())(problem.model, Draw(batch, images, 0, 0))["retain"]
    torch.testing.assert_close(found.double(), expected[:20], rtol=1e-4, atol=1e-5)


def test_balanced_draws_show_every_predicted_class_as_often(whole_class, kept):
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    shown = Examples.of(image=torch.zeros(1000, 1, 8, 8), label=labels)
    problem = dataclasses.replace(whole_class, retain=shown)
    planned = Scar(batch_size=100, retain_batches=9, balanced=True).plan(problem, Run(), 0)
    drawn = torch.cat([labels[rows] for _, rows in planned])
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), rtol=0, atol=0.06)


def test_surrogates_and_statistics_come_from_files_as_well(bare, kept, tmp_path):
    images = patches(100)
    save_file({"images": images.tensor("image")}, tmp_path / "images.safetensors")
    save_file(kept.tensors(), tmp_path / "statistics.safetensors")
    few = {"epochs": 1, "stop_accuracy": 0.0}
    files = {name: str(tmp_path / f"{part}.safetensors")
             for name, part in (("surrogate_file", "images"), ("statistics_file", "statistics"))}  # fmt: skip
    given = unlearn(bare, Scar(**few, surrogate=images, statistics=kept)).model
    assert same_weights(unlearn(bare, Scar(**few, **files)).model, given)
    with pytest.raises(InputError, match="class statistics are counts, sums and products"):
        unlearn(bare, Scar(statistics_file=files["surrogate_file"]))


def test_noise_is_standard_normal_for_the_network(whole_class):
    found = surrogates(whole_class, whole_class.task, None, "", 500, Run())
    seen = whole_class.task.normalise(whole_class.task.pixels(found.batch(torch.arange(500))))
    assert abs(float(seen.mean())) < 0.02
    assert abs(float(seen.std()) - 1) < 0.02


def test_negative_features_have_powers_too():
    assert bool(torch.isfinite(tukey(torch.tensor([-1.0, -4.0]), 0.5)).all())


def test_what_cannot_be_done_is_told_in_one_line(whole_class, kept):
    task = whole_class.task
    sevens, zeros = ((whole_class.retain.tensor("label") == digit).nonzero().flatten() for digit in (7, 0))
    few = whole_class.retain.without([whole_class.retain.ids[row] for row in sevens[1:].tolist()])
    with pytest.raises(InputError, match="class 7 has 1 example to take a covariance from"):
        unlearn(dataclasses.replace(whole_class, retain=few), Scar(noise_count=10))
    with pytest.raises(InputError, match=r"1 surrogates of shape \(3, 8, 8\)"):
        unlearn(whole_class, Scar(surrogate=Examples.of(image=torch.zeros(1, 3, 8, 8))))
    with pytest.raises(InputError, match="take them of this model"):
        Scar(statistics=ClassStatistics.of(torch.zeros(4, 2), torch.arange(4), 10)).left(whole_class, task, Run())
    with pytest.raises(InputError, match="class 3 has 0 rows"):
        Scar(statistics=kept.without_classes(torch.tensor([3]))).left(whole_class, task, Run())
    with pytest.raises(InputError, match="0 of 20 surrogates"):
        unlearn(whole_class, ScarSelf(surrogate=whole_class.retain.take(zeros[:20]), statistics=kept))


@pytest.mark.parametrize(
    "method", [Scar(gamma2=4.0), Scar(power=0.0), Scar(noise_count=0), ScarSelf(balanced=True),
               ScarSelf(stop_accuracy=None)]
)  # fmt: skip
def test_impossible_options_are_refused(method):
    with pytest.raises(ConfigurationError):
        method.check()


def test_only_what_is_missing_is_needed(kept):
    assert Scar().requirements() == {"retain", "holdout"}
    assert Scar(statistics=kept, stop_accuracy=0.01).requirements() == set()
    assert ScarSelf(statistics=kept).requirements() == set()
