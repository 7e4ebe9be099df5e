from __future__ import annotations

from dataclasses import dataclass

from lethe import catalogue
from lethe.auditing.metrics.accuracy import ForgetAccuracy
from lethe.auditing.metrics.recovery import FeatureMapping
from lethe.auditing.selection import named


@dataclass(frozen=True)
class MyOwnMetric(ForgetAccuracy):
    """Somebody's metric that no catalogue lists."""


def test_nothing_chosen_means_the_whole_catalogue() -> None:
    assert [name for name, _ in named("metric", None)] == list(catalogue.entries("metric"))
    assert [name for name, _ in named("attack", None)] == list(catalogue.entries("attack"))
    assert named("attack", ()) == []


def test_every_part_has_a_name_of_its_own() -> None:
    chosen = named("metric", (MyOwnMetric(), FeatureMapping(), FeatureMapping(bias=True)))
    assert [name for name, _ in chosen] == ["my_own_metric", "feature_mapping", "feature_mapping_2"]
