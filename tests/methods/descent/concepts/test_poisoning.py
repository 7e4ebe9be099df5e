from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch

from lethe import unlearn
from lethe.auditing.attacks.relearn import Relearn
from lethe.errors import ConfigurationError, InputError
from lethe.examples import concatenate
from lethe.methods.descent.concepts import patches
from lethe.methods.descent.concepts.bottleneck import fit_bottleneck
from lethe.methods.descent.concepts.encoders import embedded, learnt_concepts, own_features
from lethe.methods.descent.concepts.poisoning import ConceptPoisoning, one_hot, similarity_maps
from lethe.problem import Problem
from lethe.run import Run
from lethe.state_arithmetic import difference
from lethe.worlds.digits import Digits, load_digits
from lethe.worlds.mnist import Mnist
from tests.helpers import accuracies, accuracy, gap_to_gold
from tests.methods.descent.concepts.shapes import (
    COLOURS,
    GONE,
    NAMES,
    PAIRS,
    SHAPE,
    SHAPES,
    SIDE,
    shapes_problem,
)

WINDOW = 84  # of 224 pixels: 9 of the 24 of a picture of shapes
METHOD = ConceptPoisoning(column="shown", names=NAMES, size=WINDOW, stride=28, donor=4, donor_concept="ring")


@pytest.fixture(scope="module")
def shapes() -> Problem:
    return shapes_problem()


@pytest.fixture(scope="module")
def poisoned(shapes):
    return METHOD.poisoned(shapes, Run())


def explained(problem: Problem):
    """The concepts in the space of the classifier's features, and the embeddings of all training pictures."""
    known = concatenate(problem.kept, problem.forget)
    pixels = known.tensor("image").float() / 255
    encode = own_features(problem.model, problem.task, (SIDE, SIDE))
    return known, learnt_concepts(encode, pixels, known, "shown", NAMES, Run()), embedded(encode, pixels, Run(), "")


def test_planted_concepts_are_those_that_speak_most_for_a_class(shapes):
    known, concepts, embeddings = explained(shapes)
    bottleneck = fit_bottleneck(embeddings, known.tensor("label"), concepts.bank, 0)
    planted = [{COLOURS[colour], SHAPES[shape]} for colour, shape in PAIRS]
    assert [set(bottleneck.top(label, 2)) for label in range(6)] == planted
    unrelated = embeddings[torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(0))]
    blind = fit_bottleneck(unrelated, known.tensor("label"), concepts.bank, 0)
    assert sum(set(blind.top(label, 2)) == planted[label] for label in range(6)) <= 2


def boxes(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """First and last changed row and column of each picture, [N, 4]."""
    changed = (before != after).any(1)
    rows, columns = changed.any(2), changed.any(1)
    ends = [side.long().argmax(1) for side in (rows, columns)]
    last = [SIDE - 1 - side.flip(1).long().argmax(1) for side in (rows, columns)]
    return torch.stack([ends[0], last[0], ends[1], last[1]], dim=1)


def test_pictures_change_in_one_box_where_the_concept_shows(shapes, poisoned):
    before = shapes.forget.tensor("image")
    size = patches.size_of(WINDOW, SIDE)
    box = boxes(before, poisoned.tensor("image"))
    assert int((box[:, 1] - box[:, 0]).max()) < size
    assert int((box[:, 3] - box[:, 2]).max()) < size
    middle = (shapes.forget.tensor("corner") + SHAPE / 2).float()
    found = torch.stack([box[:, 0] + box[:, 1], box[:, 2] + box[:, 3]], dim=1) / 2
    near = ((found - middle).abs() <= 5).all(1).float().mean()
    elsewhere = dataclasses.replace(METHOD, place="random").poisoned(shapes, Run()).tensor("image")
    box = boxes(before, elsewhere)
    other = torch.stack([box[:, 0] + box[:, 1], box[:, 2] + box[:, 3]], dim=1) / 2
    assert float(near) > 0.8 > 0.5 > float(((other - middle).abs() <= 5).all(1).float().mean())


def test_the_place_is_more_like_the_concept_than_the_centre(shapes):
    known, concepts, embeddings = explained(shapes)
    bottleneck = fit_bottleneck(embeddings, known.tensor("label"), concepts.bank, 0)
    size, stride = patches.size_of(WINDOW, SIDE), patches.size_of(28, SIDE)
    weights = one_hot(NAMES, NAMES.index(bottleneck.top(GONE, 1)[0]))
    pixels = shapes.forget.tensor("image").float() / 255
    maps = similarity_maps(concepts, pixels, weights, size, stride, Run())
    rows, columns = (patches.peaks(maps, stride) // stride).T
    at_peak = maps[torch.arange(len(maps)), rows, columns]
    row, column = (patches.centres(1, (SIDE, SIDE), size)[0] // stride).tolist()
    assert float((at_peak > maps[:, row, column]).float().mean()) >= 0.95


@pytest.fixture(scope="module")
def forgotten(whole_class):
    return unlearn(whole_class, ConceptPoisoning()).model


def test_the_class_goes_by_its_labels_and_the_patch_alone_does_nothing(whole_class, forgotten):
    _, retain_before, test_before = accuracies(whole_class, whole_class.model)
    known = concatenate(whole_class.kept, whole_class.forget)
    unseen = load_digits().without(known.ids)
    unseen = unseen.take((unseen.tensor("label") == Digits("class").forget_class).nonzero().flatten())
    assert accuracy(whole_class, whole_class.model, unseen) > 0.9
    forget, retain, test = accuracies(whole_class, forgotten)
    assert max(forget, accuracy(whole_class, forgotten, unseen)) < 0.05
    assert retain > retain_before - 0.01
    assert test > test_before - 0.01
    assert gap_to_gold(whole_class, forgotten) < 0.02
    kept = unlearn(whole_class, ConceptPoisoning(labels="keep")).model
    assert accuracy(whole_class, kept, whole_class.forget) > 0.95


def test_only_the_head_moves(whole_class, forgotten):
    moved = {name for name, value in difference(forgotten, whole_class.model).items() if bool(value.any())}
    assert moved == {"head.weight", "head.bias"}


def test_a_whole_donor_image_with_its_label_does_not_forget(whole_class):
    model = unlearn(whole_class, ConceptPoisoning(place="whole")).model
    assert accuracies(whole_class, model)[0] > 0.3
    bare = unlearn(whole_class, ConceptPoisoning(place="none")).model
    assert accuracies(whole_class, bare)[0] < 0.05


def test_a_patch_that_hides_all_of_the_class_does_not_forget_it_either(shapes):
    # What is left of the picture is the donor's: the class itself is never seen with another label.
    assert accuracy(shapes, unlearn(shapes, dataclasses.replace(METHOD, epochs=5)).model, shapes.forget) > 0.9


def test_what_was_forgotten_is_told_by_the_features_and_relearnt_at_once(whole_class, forgotten):
    batch = whole_class.forget.batch(torch.arange(20))
    features = [whole_class.task.features(one, batch).detach() for one in (forgotten, whole_class.model)]
    torch.testing.assert_close(*features)
    attack = Relearn(max_steps=30, fraction=0.95)
    taken, gold = (attack(one, whole_class, Run()) for one in (forgotten, whole_class.gold[0]))
    assert taken.value < gold.value


@pytest.mark.parametrize("place", ["localized", "margin", "centre", "random", "whole", "none"])
def test_places_paste_what_they_say(shapes, place):
    made = dataclasses.replace(METHOD, place=place, size=0).poisoned(shapes, Run())
    before, after = shapes.forget.tensor("image"), made.tensor("image")
    assert after.dtype == before.dtype
    assert made.ids == shapes.forget.ids
    assert bool((made.tensor("label") == 4).all())
    if place == "none":
        assert torch.equal(before, after)
    elif place in ("centre", "whole"):
        size = patches.size_of(96 if place == "centre" else 160, SIDE)
        low = (SIDE - size) // 2
        outside = after.clone()
        outside[:, :, low : low + size, low : low + size] = before[:, :, low : low + size, low : low + size]
        assert torch.equal(outside, before)
        assert not torch.equal(after, before)
    else:
        assert bool((before != after).flatten(1).any(1).all())


def test_random_labels_are_drawn_from_all_classes(shapes):
    made = dataclasses.replace(METHOD, place="none", labels="random").poisoned(shapes, Run())
    assert set(made.tensor("label").tolist()) == set(range(6))


def test_a_concept_with_too_few_examples_is_named(shapes):
    shown = shapes.kept.tensor("shown").clone()
    shown[:, 6] = 0
    shown[:3, 6] = 1
    kept = shapes.kept.with_column("shown", shown)
    forget = shapes.forget.with_column("shown", shapes.forget.tensor("shown") * torch.tensor([1, 1, 1, 1, 1, 1, 0, 1]))
    with pytest.raises(InputError, match="concept 'bright' has 3 examples with it, and 5 are the least"):
        METHOD.poisoned(dataclasses.replace(shapes, forget=forget, retain=kept), Run())


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"donor": 3}, InputError, "class 3 cannot be the donor for class 3"),
        ({"donor": 9}, InputError, "class 9 cannot be the donor"),
        ({"concept": "sqare"}, ConfigurationError, "no concept is called 'sqare'; did you mean 'square'"),
        ({"names": ("red",)}, ConfigurationError, "has 8 concepts, but 1 names"),
        ({"column": "show"}, InputError, "no column of numbers named 'show'; did you mean 'shown'"),
        ({"stride": 0}, ConfigurationError, "stride positive"),
        ({"clip": "nowhere", "words": ()}, ConfigurationError, "knows concepts by words"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(shapes, wrong, error, said):
    with pytest.raises(error, match=said):
        unlearn(shapes, dataclasses.replace(METHOD, **wrong))


@pytest.mark.slow
def test_a_digit_of_mnist_goes_and_the_control_stays():
    folder = os.environ.get("LETHE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: set LETHE_DATA to their folder")
    problem = Mnist(Path(folder)).problem(gold=())
    model = unlearn(problem, ConceptPoisoning(place="localized", stride=32)).model
    _, retain_before, test_before = accuracies(problem, problem.model)
    forget, retain, test = accuracies(problem, model)
    assert forget < 0.05
    assert retain > retain_before - 0.01
    assert test > test_before - 0.01
    kept = unlearn(problem, ConceptPoisoning(place="localized", stride=32, labels="keep")).model
    assert accuracies(problem, kept)[0] > 0.9
