"""OPC leaves nothing to be said of the forget set, and less to be brought back by linear maps of its features."""

from __future__ import annotations

import math

import pytest
from torch.distributions import Categorical

from lethe.api import unlearn
from lethe.auditing.measure import measure
from lethe.auditing.metric import References
from lethe.auditing.metrics.recovery import FeatureMapping
from lethe.errors import ConfigurationError
from lethe.measuring import example_outputs, over_examples
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.descent.opc import OPC
from lethe.models import same_weights
from lethe.run import Run
from tests.helpers import accuracies, gap_to_gold, tiny_problem


@pytest.fixture(scope="module")
def contracted(whole_class):
    return unlearn(whole_class, OPC()).model


def norms(problem, model):
    """Of the logits on the forget and the retain set."""
    sets = (problem.forget, problem.retain)
    return [float(example_outputs(model, problem.task, part, Run()).norm(dim=1).mean()) for part in sets]


def recovered(problem, model):
    """What feature mapping brings back of the forget set."""
    sets = {"forget": problem.forget, "retain": problem.retain}
    before, after = (measure(one, problem.task, sets, Run()) for one in (problem.model, model))
    return FeatureMapping()(after, References(before))


def test_the_class_is_guessed_at_and_the_others_are_told_as_before(whole_class, contracted):
    forget, _, test = accuracies(whole_class, contracted)
    assert forget <= 0.1
    assert test > accuracies(whole_class, whole_class.model)[2] - 0.02
    assert gap_to_gold(whole_class, contracted) < 0.01
    before, after = norms(whole_class, whole_class.model), norms(whole_class, contracted)
    assert after[0] < before[0] / 100
    # The original's norms grew long after it told all apart: a third of them says the same.
    assert after[1] > before[1] / 3
    logits = example_outputs(contracted, whole_class.task, whole_class.forget, Run())
    assert float(Categorical(logits=logits).entropy().mean()) > 0.95 * math.log(10)


def test_ascent_that_forgets_as_much_in_as_many_passes_loses_more(whole_class, contracted):
    """At a rate of 3e-3 it forgets nothing in these passes, at 6e-3 it ends in numbers that are not finite."""
    kept = accuracies(whole_class, contracted)[2]
    ascended = unlearn(whole_class, GradientAscent(epochs=OPC().epochs, learning_rate=4e-3)).model
    forget, _, test = accuracies(whole_class, ascended)
    assert forget < 0.1
    assert test < kept - 0.05


def test_a_linear_map_brings_back_what_other_methods_only_hide(whole_class, contracted):
    assert recovered(whole_class, whole_class.model).value > 0.99
    hidden = unlearn(whole_class, RandomLabels()).model
    assert accuracies(whole_class, hidden)[0] < 0.05
    assert recovered(whole_class, hidden).value > 0.9
    assert recovered(whole_class, contracted).value < 0.3


def test_a_map_with_a_constant_still_finds_the_one_point(whole_class, contracted):
    """Contracted to one point the class is one point: whatever can name the origin can name the class."""
    assert recovered(whole_class, contracted).details["with_bias"] > 0.9


def test_features_can_be_contracted_instead(whole_class):
    model = unlearn(whole_class, OPC(target="features")).model
    task = whole_class.task

    def length(examples):
        return float(over_examples(model, task, examples, Run(), task.features, "").norm(dim=1).mean())

    assert accuracies(whole_class, model)[0] < 0.1
    assert length(whole_class.forget) < length(whole_class.retain) / 100


def test_without_the_norm_it_is_fine_tuning_to_the_bit(whole_class):
    settings = {"epochs": 3, "learning_rate": 0.003}
    tuned = unlearn(whole_class, FineTune(**settings)).model
    assert same_weights(unlearn(whole_class, OPC(**settings, forget_weight=0.0)).model, tuned)
    assert accuracies(whole_class, tuned)[0] > 0.9


def test_no_label_of_the_forget_set_is_read():
    problem = tiny_problem()
    others = problem.forget.with_column("label", (problem.forget.tensor("label") + 1) % 3)
    models = [OPC(epochs=2).unlearn(p, Run()) for p in (problem, with_forget(problem, others))]
    assert same_weights(*models)
    assert not same_weights(models[0], problem.model)


def with_forget(problem, forget):
    return type(problem)(problem.model, problem.task, forget, problem.retain)


def test_impossible_options_are_refused():
    with pytest.raises(ConfigurationError, match="forget_weight"):
        OPC(forget_weight=-1.0).check()
    with pytest.raises(ConfigurationError, match="forget_weight"):
        OPC(forget_weight=float("nan")).check()
