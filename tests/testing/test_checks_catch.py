"""Each check is shown a part that breaks its promise, and must say so."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from lethe import testing
from lethe.auditing.attacks.base import Attack
from lethe.auditing.metric import Metric, Score
from lethe.errors import InputError
from lethe.methods.base import Method
from lethe.methods.baselines.gradient_ascent import GradientAscent, NegGradPlus
from lethe.models import copied
from lethe.scopes import Mask, Scope
from lethe.steps import Plain
from lethe.steps.base import moving
from lethe.testing import tiny_problem
from lethe.weighting import Weighting


@dataclass(frozen=True)
class Edit(Method):
    """A method without fault, for others to add theirs."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def unlearn(self, problem, run):
        return copied(problem.model)


class InPlace(Edit):
    """Moves the original itself."""

    def unlearn(self, problem, run):
        with torch.no_grad():
            problem.model.head.bias.add_(1)
        return copied(problem.model)


class TeacherInTrainingMode(Edit):
    def unlearn(self, problem, run):
        problem.model.train()
        problem.task.outputs(problem.model, problem.forget.batch(torch.arange(8)))
        problem.model.eval()
        return copied(problem.model)


class FreezesTheOriginal(Edit):
    def unlearn(self, problem, run):
        problem.model.requires_grad_(False)
        return copied(problem.model)


class RelabelsInPlace(Edit):
    def unlearn(self, problem, run):
        problem.forget.tensor("label").zero_()
        return copied(problem.model)


class SharesMemory(Edit):
    def unlearn(self, problem, run):
        result = copied(problem.model)
        result.head.weight = nn.Parameter(problem.model.head.weight.detach())
        return result


@pytest.mark.parametrize("broken", [InPlace, TeacherInTrainingMode, FreezesTheOriginal, RelabelsInPlace, SharesMemory])
def test_a_changed_original_is_caught(broken):
    testing.check_original_untouched(Edit(), tiny_problem())
    with pytest.raises(AssertionError, match=broken.__name__):
        testing.check_original_untouched(broken(), tiny_problem())


class DrawsGlobally(Edit):
    def unlearn(self, problem, run):
        result = copied(problem.model)
        result.head.bias.data = torch.randn(10)
        return result


class SeedsGlobally(Edit):
    def unlearn(self, problem, run):
        torch.manual_seed(0)
        return copied(problem.model)


class Counts(Edit):
    """Depends on how often it was called."""

    calls: ClassVar[list[int]] = []

    def unlearn(self, problem, run):
        self.calls.append(1)
        result = copied(problem.model)
        result.head.bias.data += len(self.calls)
        return result


@pytest.mark.parametrize("broken", [DrawsGlobally, SeedsGlobally, Counts])
def test_randomness_from_elsewhere_is_caught(broken):
    testing.check_deterministic(Edit(), tiny_problem())
    with pytest.raises(AssertionError, match=r"run\.generator"):
        testing.check_deterministic(broken(), tiny_problem())


@dataclass(frozen=True, kw_only=True)
class LooseMask(GradientAscent):
    """Decays all weights after the loop, those outside the mask too."""

    def unlearn(self, problem, run):
        model = super().unlearn(problem, run)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.999)
        return model


@dataclass(frozen=True, kw_only=True)
class LooseBuffers(GradientAscent):
    """Passes data through the result in training mode, so that frozen batch norms move."""

    def unlearn(self, problem, run):
        model = super().unlearn(problem, run)
        model.train()
        problem.task.outputs(model, problem.forget.batch(torch.arange(8)))
        return model


@pytest.mark.parametrize("broken", [LooseMask, LooseBuffers])
def test_a_mask_that_leaks_is_caught(broken):
    testing.check_mask_exact(GradientAscent(epochs=2), tiny_problem())
    with pytest.raises(AssertionError, match=broken.__name__):
        testing.check_mask_exact(broken(epochs=2), tiny_problem())


@dataclass(frozen=True, kw_only=True)
class RemembersSteps(NegGradPlus):
    """Its objective counts its own calls: the count is lost when the run is stopped."""

    def objective(self, problem, run):
        inner, calls = super().objective(problem, run), iter(range(1, 10**6))

        def terms(model, draw):
            return {name: value / next(calls) for name, value in inner(model, draw).items()}

        return terms


def test_a_run_that_does_not_resume_is_caught():
    testing.check_deterministic(RemembersSteps(), tiny_problem())
    testing.check_resumable(NegGradPlus(), tiny_problem())
    with pytest.raises(AssertionError, match="stopped and run again"):
        testing.check_resumable(RemembersSteps(), tiny_problem())


class OtherArchitecture(Edit):
    """Wraps the model, so that its weights have other names."""

    def unlearn(self, problem, run):
        return nn.Sequential(copied(problem.model))


class HiddenWeights(Edit):
    """Returns weights that its state_dict does not have."""

    def unlearn(self, problem, run):
        result = copied(problem.model)
        result.norm.register_buffer("running_mean", result.norm.running_mean + 1, persistent=False)
        return result


@pytest.mark.parametrize("broken", [OtherArchitecture, HiddenWeights])
def test_a_model_that_does_not_load_is_caught(broken):
    testing.check_saves_and_loads(Edit(), tiny_problem())
    with pytest.raises(AssertionError, match=f"saved model of {broken.__name__}"):
        testing.check_saves_and_loads(broken(), tiny_problem())


class NeedsMoreThanItSays(Edit):
    """Reads the retain set without saying so."""

    def unlearn(self, problem, run):
        return problem.kept and copied(problem.model)


def test_needs_that_are_not_true_are_caught():
    testing.check_needs(Edit(), tiny_problem())
    with pytest.raises(AssertionError, match="does not run with these alone"):
        testing.check_needs(NeedsMoreThanItSays(), tiny_problem())


@dataclass
class Mutable(Method):
    """Can be changed after it was made."""

    def unlearn(self, problem, run):
        return copied(problem.model)


@dataclass(frozen=True)
class Mute(Edit):
    pass


@dataclass(frozen=True)
class Undocumented(Edit):
    """Has an option whose meaning it keeps to itself."""

    strength: float = 1.0


@dataclass(frozen=True)
class Unwritable(Edit):
    """Has an option that no record can hold.

    Args:
        measure: a function.
    """

    measure: object = len


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Mutable, "frozen=True"),
        (Mute, "no docstring"),
        (Undocumented, "'strength'"),
        (Unwritable, "cannot be written to a record"),
    ],
)
def test_a_part_that_does_not_explain_itself_is_caught(broken, words):
    testing.check_declared(Edit())
    with pytest.raises(AssertionError, match=words):
        testing.check_declared(broken())


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Undocumented(), "'strength'"),
        (NeedsMoreThanItSays(), "these alone"),
        (InPlace(), "changed the weights"),
        (Counts(), "other bits"),
        (OtherArchitecture(), "does not load"),
        (RemembersSteps(), "stopped and run again"),
        (LooseMask(epochs=2), "forbids"),
    ],
)
def test_check_method_runs_every_check(broken, words):
    with pytest.raises(AssertionError, match=words):
        testing.check_method(broken, tiny_problem())


@dataclass(frozen=True)
class Head(Scope):
    """The head alone, without fault."""

    def mask(self, problem, run):
        return Mask({"head.weight": torch.ones(10, 32, dtype=torch.bool)})


class Empty(Head):
    def mask(self, problem, run):
        return Mask({})


class UnknownName(Head):
    def mask(self, problem, run):
        return Mask({"head.weight": True, "haed.bias": True})


class Floats(Head):
    def mask(self, problem, run):
        return Mask({"head.weight": torch.ones(10, 32)})


class WrongShape(Head):
    def mask(self, problem, run):
        return Mask({"head.weight": torch.ones(32, 10, dtype=torch.bool)})


class GlobalMask(Head):
    def mask(self, problem, run):
        return Mask({"head.weight": torch.rand(10, 32) < 0.5})


class LeavesGradients(Head):
    def mask(self, problem, run):
        problem.task.losses(problem.model, problem.forget.batch(torch.arange(8))).mean().backward()
        return super().mask(problem, run)


@pytest.mark.parametrize("broken", [Empty, UnknownName, Floats, WrongShape, GlobalMask, LeavesGradients])
def test_a_scope_that_breaks_a_promise_is_caught(broken):
    testing.check_scope(Head(), tiny_problem())
    with pytest.raises(AssertionError, match=broken.__name__):
        testing.check_scope(broken(), tiny_problem())


class Forgets(Plain):
    def __call__(self, model, terms, optimizer):
        super().__call__(model, terms, optimizer)
        return {}


class KeepsTheGraph(Plain):
    def __call__(self, model, terms, optimizer):
        values = super().__call__(model, terms, optimizer)
        return {name: value + 0 * next(model.parameters()).sum() for name, value in values.items()}


class NoRestore(Plain):
    def __call__(self, model, terms, optimizer):
        with torch.no_grad():
            for group in optimizer.param_groups:
                torch._foreach_add_(group["params"], 0.01)
        return super().__call__(model, terms, optimizer)


class NoStep(Plain):
    def __call__(self, model, terms, optimizer):
        return terms.values()


class Everywhere(Plain):
    def __call__(self, model, terms, optimizer):
        if optimizer.param_groups[0]["lr"]:
            with torch.no_grad():
                model.conv.weight.mul_(0.9)
        return super().__call__(model, terms, optimizer)


class Noisy(Plain):
    def __call__(self, model, terms, optimizer):
        optimizer.zero_grad()
        values = terms.backward(moving(optimizer))
        for weight in moving(optimizer):
            weight.grad.mul_(torch.rand(()))
        optimizer.step()
        return values


@pytest.mark.parametrize("broken", [Forgets, KeepsTheGraph, NoRestore, NoStep, Everywhere, Noisy])
def test_a_step_that_breaks_a_promise_is_caught(broken):
    testing.check_step(Plain(), tiny_problem())
    with pytest.raises(AssertionError, match=broken.__name__):
        testing.check_step(broken(), tiny_problem())


@dataclass(frozen=True)
class Fair(Weighting):
    """Equal weights, without fault."""

    def bind(self, problem, run):
        return lambda model, batch: torch.ones(len(batch))


class Scalar(Fair):
    def bind(self, problem, run):
        return lambda model, batch: torch.ones(())


class Negative(Fair):
    def bind(self, problem, run):
        return lambda model, batch: -torch.ones(len(batch))


class Gradients(Fair):
    def bind(self, problem, run):
        return problem.task.losses


class Lottery(Fair):
    def bind(self, problem, run):
        return lambda model, batch: torch.rand(len(batch))


@pytest.mark.parametrize("broken", [Scalar, Negative, Gradients, Lottery])
def test_a_weighting_that_breaks_a_promise_is_caught(broken):
    testing.check_weighting(Fair(), tiny_problem())
    with pytest.raises(AssertionError, match=broken.__name__):
        testing.check_weighting(broken(), tiny_problem())


def test_every_call_gives_a_problem_of_its_own():
    first = tiny_problem()
    before = copy.deepcopy(first.model.state_dict())
    first.model.head.bias.data.zero_()
    first.forget.tensor("label").zero_()
    second = tiny_problem()
    assert all(torch.equal(second.model.state_dict()[name], value) for name, value in before.items())
    assert bool(second.forget.tensor("label").any())


def test_the_tiny_problem_has_something_to_forget():
    """Without a difference between original and gold no metric could be tried on it."""
    problem = tiny_problem()
    batch = problem.forget.batch(torch.arange(len(problem.forget)))

    def accuracy(model: nn.Module) -> float:
        return (problem.task.outputs(model, batch).argmax(1) == problem.task.labels(batch)).float().mean().item()

    assert accuracy(problem.model) > max(accuracy(gold) for gold in problem.gold) + 0.3


@dataclass(frozen=True)
class ForgetAccuracy(Metric):
    """Share of the forget set that is classified right, without fault."""

    title: ClassVar[str] = "forget accuracy"
    kind: ClassVar = "forgetting"

    def __call__(self, rows, against, seed=0):
        forget = rows["forget"]
        return Score((forget.logits.argmax(1) == forget.labels).double().mean().item())


class ReadsMore(ForgetAccuracy):
    """Reads the holdout set without saying so."""

    def __call__(self, rows, against, seed=0):
        return Score(float(len(rows["holdout"].ids)))


class NotANumber(ForgetAccuracy):
    """Divides by nothing."""

    def __call__(self, rows, against, seed=0):
        return Score(float("nan"))


class Chance(ForgetAccuracy):
    """Draws its value."""

    def __call__(self, rows, against, seed=0):
        return Score(torch.rand(()).item())


class SortsInPlace(ForgetAccuracy):
    """Leaves other measurements to the next metric."""

    def __call__(self, rows, against, seed=0):
        rows["forget"].logits.zero_()
        return Score(0.0)


class TensorDetails(ForgetAccuracy):
    """Keeps a tensor beside its value."""

    def __call__(self, rows, against, seed=0):
        return Score(0.0, {"losses": torch.zeros(2)})


class Refuses(ForgetAccuracy):
    """Says why it cannot be measured, which is no fault."""

    def __call__(self, rows, against, seed=0):
        raise InputError("the forget set has one class; give it two")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (ReadsMore, "lack"),
        (NotANumber, "refuse what cannot be measured"),
        (Chance, "draw from the seed"),
        (SortsInPlace, "work on copies"),
        (TensorDetails, "as JSON"),
    ],
)
def test_a_metric_that_breaks_a_promise_is_caught(broken, words):
    testing.check_metric(ForgetAccuracy(), tiny_problem())
    testing.check_metric(Refuses(), tiny_problem())
    with pytest.raises(AssertionError, match=words):
        testing.check_metric(broken(), tiny_problem())


@dataclass(frozen=True)
class Look(Attack):
    """Looks at the weights and brings nothing back, without fault."""

    title: ClassVar[str] = "look"

    def __call__(self, model, problem, run):
        return Score(float(model.head.bias.detach().sum()), {"curve": [[0, 0.0]], "cost": {"seconds": 0.0}})


class TrainsTheModelItself(Look):
    """Works on the model under attack."""

    def __call__(self, model, problem, run):
        model.head.bias.data.add_(1)
        return Score(0.0)


class TrainsTheOriginal(Look):
    """Works on the problem's model."""

    def __call__(self, model, problem, run):
        problem.model.head.bias.data.add_(1)
        return Score(0.0)


class Guesses(Look):
    """Draws from the global generator."""

    def __call__(self, model, problem, run):
        return Score(torch.rand(()).item())


class ReadsTheRetainSet(Look):
    """Reads the retain set without saying so."""

    def __call__(self, model, problem, run):
        return Score(float(len(problem.kept)))


class NeverArrives(Look):
    """Has no value where it gives up."""

    def __call__(self, model, problem, run):
        return Score(float("inf"))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (TrainsTheModelItself, "changed the weights"),
        (TrainsTheOriginal, "changed the weights"),
        (Guesses, "draw from the run"),
        (ReadsTheRetainSet, "reads more than its needs"),
        (NeverArrives, "where it gave up"),
    ],
)
def test_an_attack_that_breaks_a_promise_is_caught(broken, words):
    testing.check_attack(Look(), tiny_problem())
    with pytest.raises(AssertionError, match=words):
        testing.check_attack(broken(), tiny_problem())
