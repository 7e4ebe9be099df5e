"""Each baseline does to the digits what its paper says, and not what a weaker one does."""

from __future__ import annotations

import pytest
import torch

from lethe import feeds, losses
from lethe.api import unlearn
from lethe.measuring import example_outputs
from lethe.methods.baselines.bad_teacher import BadTeacher
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent, NegGradPlus
from lethe.methods.baselines.last_layers import CatastrophicForgettingK, ExactUnlearningK
from lethe.methods.baselines.random_labels import RandomLabels, random_labels
from lethe.methods.baselines.retrain import Retrain
from lethe.methods.baselines.scrub import Scrub
from lethe.models import copied, same_weights
from lethe.run import Run
from tests.helpers import accuracies, gap_to_gold, tiny_problem


def test_fine_tuning_hardly_forgets_what_was_memorised(mislabelled):
    forget, retain, _ = accuracies(mislabelled, unlearn(mislabelled, FineTune()).model)
    assert forget > 0.85
    assert retain > 0.99


def test_retraining_by_the_loop_and_by_the_problems_own_recipe_ends_at_gold(mislabelled):
    own = Retrain(epochs=30, learning_rate=0.05)
    assert gap_to_gold(mislabelled, unlearn(mislabelled, own).model) < 0.02
    recipe = unlearn(mislabelled, Retrain()).model
    assert gap_to_gold(mislabelled, recipe) < 0.02
    assert not same_weights(recipe, unlearn(mislabelled, own).model)


def test_one_ascent_step_climbs_the_forget_loss():
    problem = tiny_problem()
    method = GradientAscent(epochs=1, batch_size=64, momentum=0.0, weight_decay=0.0, learning_rate=0.1)
    after = unlearn(problem, method).model
    model = copied(problem.model).train()
    loss = problem.task.losses(model, problem.forget.batch(torch.arange(12))).mean()
    for name, gradient in zip(
        dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters())), strict=True
    ):
        expected = problem.model.get_parameter(name) + 0.1 * gradient
        torch.testing.assert_close(after.get_parameter(name), expected)


def test_neg_grad_plus_weighs_the_two_losses_by_beta():
    problem = tiny_problem()
    objective = NegGradPlus(beta=0.8).objective(problem, Run())
    rows = (torch.arange(5), torch.arange(7))
    drawn = feeds.draw(problem, rows, epoch=0, step=0, device=torch.device("cpu"))
    named = objective(problem.model, drawn)
    torch.testing.assert_close(named["forget"], -0.2 * problem.task.losses(problem.model, drawn.forget))
    torch.testing.assert_close(named["retain"], 0.8 * problem.task.losses(problem.model, drawn.retain))


def test_neg_grad_plus_forgets_more_and_keeps_more_than_ascent_alone(mislabelled):
    ascent = accuracies(mislabelled, unlearn(mislabelled, GradientAscent(learning_rate=0.01)).model)
    both = accuracies(mislabelled, unlearn(mislabelled, NegGradPlus()).model)
    assert both[0] < 0.1 < ascent[0]
    assert both[1] > ascent[1] + 0.1


@pytest.mark.parametrize("exclude_true", [True, False])
def test_random_labels_are_uniform_and_avoid_the_true_one_where_asked(exclude_true):
    true = torch.arange(10).repeat(3000)
    drawn = random_labels(true, 10, exclude_true, torch.Generator().manual_seed(0))
    counts = torch.stack([torch.bincount(drawn[true == c], minlength=10) for c in range(10)]).float() / 3000
    own = counts.diagonal()
    if exclude_true:
        assert bool((own == 0).all())
    else:
        assert bool((own - 0.1).abs().max() < 0.03)
    others = counts[~torch.eye(10, dtype=torch.bool)]
    assert bool((others - (1 / 9 if exclude_true else 0.1)).abs().max() < 0.03)


@pytest.mark.parametrize("order", ["separate", "mixed"])
def test_random_labelling_ends_near_gold(mislabelled, order):
    method = RandomLabels(order=order, batch_size=64, learning_rate=0.03)
    assert gap_to_gold(mislabelled, unlearn(mislabelled, method).model) < 0.05


def test_the_wrong_labels_are_wrong_and_drawn_anew_each_epoch():
    problem = tiny_problem()
    objective = RandomLabels().objective(problem, Run())
    everything = problem.forget.batch(torch.arange(12))
    outputs = problem.task.outputs(problem.model, everything)
    by_class = [
        problem.task.losses_from(outputs, everything.with_column("label", torch.full((12,), c))) for c in range(3)
    ]
    labels = []
    for epoch in range(2):
        drawn = feeds.draw(problem, (torch.arange(12), None), epoch=epoch, step=0, device=torch.device("cpu"))
        losses_now = objective(problem.model, drawn)["forget"]
        labels.append((torch.stack(by_class) - losses_now).abs().argmin(0))
    assert not torch.equal(labels[0], labels[1])
    for drawn_labels in labels:
        assert bool((drawn_labels != problem.forget.tensor("label")).all())


def test_mixed_batches_weigh_every_example_alike():
    problem = tiny_problem()
    objective = RandomLabels(order="mixed", exclude_true=True).objective(problem, Run())
    drawn = feeds.draw(problem, (torch.arange(3), torch.arange(9)), epoch=0, step=0, device=torch.device("cpu"))
    named = objective(problem.model, drawn)
    total = named["forget"].mean() + named["retain"].mean()
    retain = problem.task.losses(problem.model, drawn.retain)
    # 12 examples: the retain part of the mean is the sum of its 9 losses over 12.
    torch.testing.assert_close(named["retain"].mean(), retain.sum() / 12)
    assert total > named["retain"].mean()


def test_last_k_layers_move_and_the_others_keep_their_bits(mislabelled):
    for method in (CatastrophicForgettingK(layers=2, epochs=2), ExactUnlearningK(layers=2, epochs=2)):
        after = unlearn(mislabelled, method).model
        for name, before in mislabelled.model.named_parameters():
            assert torch.equal(before, after.get_parameter(name)) is name.startswith("conv")


def test_drawing_the_last_layers_anew_forgets_where_fine_tuning_them_does_not(mislabelled):
    tuned = accuracies(mislabelled, unlearn(mislabelled, CatastrophicForgettingK()).model)
    anew = accuracies(mislabelled, unlearn(mislabelled, ExactUnlearningK()).model)
    assert tuned[0] > 0.8
    assert anew[0] < 0.1
    assert anew[2] > tuned[2]


def test_bad_teacher_imitates_the_untrained_model_on_the_forget_set_only(whole_class):
    method = BadTeacher(epochs=10, batch_size=64, learning_rate=3e-3)
    run = Run()
    after = unlearn(whole_class, method, run=run).model
    teacher = whole_class.task.fresh(whole_class.model, run.key("bad teacher"))

    def divergence(model, examples):
        target = example_outputs(teacher, whole_class.task, examples, Run())
        return float(losses.kl_divergence(target, example_outputs(model, whole_class.task, examples, Run())).mean())

    assert divergence(after, whole_class.forget) < 0.1 * divergence(whole_class.model, whole_class.forget)
    forget, _, test = accuracies(whole_class, after)
    assert forget < 0.3
    assert test > accuracies(whole_class, whole_class.model)[2] - 0.03


def test_scrub_ends_closer_to_gold_than_fine_tuning(mislabelled):
    scrubbed, tuned = (unlearn(mislabelled, method).model for method in (Scrub(), FineTune()))
    assert gap_to_gold(mislabelled, scrubbed) < 0.25 * gap_to_gold(mislabelled, tuned)


def test_scrub_forgets_a_class_and_without_its_forget_pass_it_does_not(whole_class):
    whole = accuracies(whole_class, unlearn(whole_class, Scrub()).model)
    without = accuracies(whole_class, unlearn(whole_class, Scrub(forget_epochs=0)).model)
    assert whole[0] < 0.05
    assert whole[2] > accuracies(whole_class, whole_class.model)[2] - 0.02
    assert without[0] > 0.5


def test_scrub_passes_over_the_forget_set_first_and_then_stops_doing_so():
    problem = tiny_problem()
    method = Scrub(batch_size=10, forget_epochs=1)
    kinds = [[rows[0] is not None for rows in method.plan(problem, Run(), epoch)] for epoch in (0, 1)]
    assert kinds == [[True, True, False, False, False, False], [False, False, False, False]]


def test_scrub_moves_away_on_the_forget_set_with_the_divergence_of_its_temperature():
    problem = tiny_problem()
    objective = Scrub(temperature=3.0, gamma=0.9, alpha=0.2).objective(problem, Run())
    other = problem.task.fresh(problem.model, 5).eval()
    forget = feeds.draw(problem, (torch.arange(6), None), epoch=0, step=0, device=torch.device("cpu"))
    retain = feeds.draw(problem, (None, torch.arange(6)), epoch=0, step=0, device=torch.device("cpu"))
    with torch.no_grad():
        before, after = (problem.task.outputs(m, forget.forget) for m in (problem.model, other))
        expected = -losses.kl_divergence(before, after, 3.0)
        torch.testing.assert_close(objective(other, forget)["forget"], expected)
        teacher, student = (problem.task.outputs(m, retain.retain) for m in (problem.model, other))
        expected = 0.9 * problem.task.losses(other, retain.retain) + 0.2 * losses.kl_divergence(teacher, student, 3.0)
        torch.testing.assert_close(objective(other, retain)["retain"], expected)
