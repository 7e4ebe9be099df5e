from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.auditing.text import model_utility
from lethe.errors import InputError

POSITIVE = st.lists(st.floats(1e-6, 1), min_size=1, max_size=9)


def named(values) -> dict[str, float]:
    return {f"value {i}": value for i, value in enumerate(values)}


@pytest.mark.parametrize("value", [0.1, 0.623, 1])
def test_nine_equal_values_give_that_value(value):
    assert model_utility(named([value] * 9)) == pytest.approx(value, abs=1e-15)


def test_one_zero_gives_zero():
    assert model_utility(named([1.0] * 8 + [0.0])) == 0


def test_published_columns_give_the_published_utility():
    # Llama-2-7B before unlearning: ROUGE, probability and truth ratio of retain set, real authors and world facts.
    values = [0.986, 0.990, 0.475, 0.933, 0.455, 0.596, 0.882, 0.419, 0.539]
    assert model_utility(named(values)) == pytest.approx(0.623, abs=6e-4)


@given(POSITIVE)
def test_it_lies_between_the_smallest_value_and_the_geometric_mean(values):
    utility = model_utility(named(values))
    geometric = math.exp(math.fsum(math.log(value) for value in values) / len(values))
    assert min(values) * (1 - 1e-12) <= utility <= geometric * (1 + 1e-12)


@given(POSITIVE)
def test_it_does_not_depend_on_the_order(values):
    assert model_utility(named(values)) == model_utility(named(reversed(values)))


@pytest.mark.parametrize("value", [-0.1, 1.01, math.nan])
def test_what_is_no_share_is_refused_by_name(value):
    with pytest.raises(InputError, match="retain rouge is"):
        model_utility({"retain probability": 0.5, "retain rouge": value})


def test_nothing_to_average_is_refused():
    with pytest.raises(InputError, match="no value"):
        model_utility({})
