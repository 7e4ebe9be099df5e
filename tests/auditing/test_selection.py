from __future__ import annotations

from dataclasses import dataclass

import pytest

from lethe import catalogue
from lethe.auditing.metrics.accuracy import ForgetAccuracy
from lethe.auditing.metrics.recovery import FeatureMapping
from lethe.auditing.selection import named
from lethe.errors import ConfigurationError
from lethe.tasks import Classification, Regression
from lethe.testing.language import tiny_language_task


@dataclass(frozen=True)
class MyOwnMetric(ForgetAccuracy):
    """Somebody's metric that no catalogue lists."""


IMAGES, TEXT, VALUES = Classification(classes=3), tiny_language_task(), Regression()


ON_BOTH = {
    *("weight_distance", "oracle_matching", "rmia", "u_lira"),
    *("relearn_few", "relearn_lora", "relearn_benign", "quantize", "prune", "weight_noise", "linear_probe"),
}
"""What reads weights, losses or hidden states, and so works on every kind of model."""


def test_nothing_chosen_means_all_that_work_on_such_models() -> None:
    for kind in ("metric", "attack"):
        images, text, values = ({name for name, _ in named(kind, None, task)} for task in (IMAGES, TEXT, VALUES))
        assert images | text | values == set(catalogue.entries(kind))
        assert images & text == ON_BOTH & set(catalogue.entries(kind))
    assert named("attack", (), IMAGES) == []


def test_one_that_works_on_other_models_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"forget_accuracy works on Classification, .* is CausalLM"):
        named("metric", (ForgetAccuracy(),), TEXT)


def test_every_part_has_a_name_of_its_own() -> None:
    chosen = named("metric", (MyOwnMetric(), FeatureMapping(), FeatureMapping(bias=True)), IMAGES)
    assert [name for name, _ in chosen] == ["my_own_metric", "feature_mapping", "feature_mapping_2"]
