"""The loop resumes to the bit, stops where a number is not finite, keeps what it is told, and counts its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from lethe.api import unlearn
from lethe.errors import ConfigurationError, Diverged, NotEnoughMemory, StorageError
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent, NegGradPlus
from lethe.methods.baselines.random_labels import RandomLabels
from lethe.methods.baselines.scrub import Scrub
from lethe.methods.descent.npo import NPO
from lethe.models import load_weights, same_weights, save
from lethe.progress import Silent
from lethe.run import Keep, Run
from lethe.store import RunFolder
from lethe.testing.language import tiny_language_problem
from tests.helpers import tiny_problem


class StopAfter(Silent):
    """A progress that asks its run to stop after some steps, as Ctrl-C does."""

    def __init__(self, run: Run, steps: int) -> None:
        self.run, self.left = run, steps

    def bar(self, label, total):
        outer = super().bar(label, total)
        stopper = self

        class Bar:
            def advance(self, count=1, **values):
                if label == "unlearning" and values:
                    stopper.left -= 1
                    stopper.run.stop.requested = stopper.left == 0

        class Context:
            def __enter__(self):
                outer.__enter__()
                return Bar()

            def __exit__(self, *arguments):
                return outer.__exit__(*arguments)

        return Context()


METHODS = [
    FineTune(epochs=3, batch_size=8, schedule="cosine"),
    NegGradPlus(epochs=2, batch_size=8, optimizer="adamw"),
    RandomLabels(epochs=3, batch_size=8, order="mixed"),
    Scrub(epochs=4, batch_size=8, forget_epochs=2),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("stops", [(1,), (5, 2), (9,)])
def test_a_stopped_run_goes_on_to_the_same_bits(method, stops, tmp_path):
    problem = tiny_problem()
    whole = unlearn(problem, method, seed=3)
    for steps in stops:
        run = Run(seed=3)
        run.progress = StopAfter(run, steps)
        with pytest.raises(KeyboardInterrupt):
            unlearn(problem, method, run=run, out=tmp_path)
        assert RunFolder(tmp_path).record()["status"] == "interrupted"
    resumed = unlearn(problem, method, seed=3, out=tmp_path)
    assert same_weights(resumed.model, whole.model)
    assert resumed.record["cost"]["steps"] == whole.record["cost"]["steps"]
    assert not (tmp_path / "checkpoint").exists()


def test_a_finished_run_is_returned_without_running_again(tmp_path):
    problem = tiny_problem()
    first = unlearn(problem, METHODS[0], out=tmp_path)
    again = unlearn(problem, METHODS[0], out=tmp_path)
    assert same_weights(first.model, again.model)
    assert again.record == first.record
    assert same_weights(load_weights(problem.model, tmp_path / "model"), first.model)
    with pytest.raises(StorageError, match="differs in seed"):
        unlearn(problem, METHODS[0], out=tmp_path, seed=1)
    save(problem.model, tmp_path / "model")
    with pytest.raises(StorageError, match="the weights are not those this run ended with"):
        unlearn(problem, METHODS[0], out=tmp_path)


def test_dropout_does_not_break_the_resumed_bits_and_the_global_generator_is_left_alone(tmp_path):
    problem = tiny_problem()
    problem.model.norm = nn.Sequential(nn.Dropout(0.5))
    method = FineTune(epochs=3, batch_size=8)
    torch.manual_seed(11)
    whole = unlearn(problem, method)
    torch.manual_seed(12)
    before = torch.get_rng_state()
    run = Run()
    run.progress = StopAfter(run, 4)
    with pytest.raises(KeyboardInterrupt):
        unlearn(problem, method, run=run, out=tmp_path)
    assert same_weights(unlearn(problem, method, out=tmp_path).model, whole.model)
    assert torch.equal(torch.get_rng_state(), before)


@dataclass(frozen=True, kw_only=True)
class Explodes(GradientAscent):
    """Gradient ascent whose loss is infinite from one step on."""

    at: int = 4

    def objective(self, problem, run):
        ascent = super().objective(problem, run)

        def terms(model, draw) -> Mapping[str, torch.Tensor]:
            named = ascent(model, draw)
            return {"forget": named["forget"] * (float("inf") if draw.step == self.at else 1.0)}

        return terms


def test_a_diverging_run_keeps_the_last_finite_checkpoint_and_says_so(tmp_path):
    problem = tiny_problem()
    run = Run(checkpoint_seconds=0.0)
    with pytest.raises(Diverged, match=r"the forget loss is no longer finite at step 4.*after step 3") as caught:
        unlearn(problem, Explodes(epochs=3, batch_size=4), run=run, out=tmp_path)
    assert caught.value.exit_code == 3
    record = RunFolder(tmp_path).record()
    assert record["status"] == "diverged"
    assert "no longer finite" in record["error"]
    kept = load_weights(problem.model, tmp_path / "model")
    # A snapshot was taken after each step; those of step 4 gave a loss that is not finite, so step 3 is the last good.
    three = unlearn(problem, GradientAscent(epochs=1, batch_size=4)).model
    assert same_weights(kept, three)


def test_without_a_folder_a_diverging_run_still_stops():
    with pytest.raises(Diverged):
        unlearn(tiny_problem(), GradientAscent(epochs=200, learning_rate=1e6))


def test_the_best_watched_state_is_kept_also_across_a_stop(tmp_path):
    problem = tiny_problem()
    method = GradientAscent(epochs=4, batch_size=6, learning_rate=0.05)

    def watch(model):
        moved = (model.head.weight - problem.model.head.weight).detach().norm()
        return {"distance": abs(float(moved) - 0.1)}

    keep = Keep("distance", sign=-1)
    whole = unlearn(problem, method, watch=watch, watch_every=2, keep=keep)
    values = [entry["distance"] for entry in whole.record["history"]]
    assert [entry["step"] for entry in whole.record["history"]] == [2, 4, 6, 8]
    assert watch(whole.model)["distance"] == min(values)
    assert min(values) < values[-1]
    run = Run()
    run.progress = StopAfter(run, 5)
    with pytest.raises(KeyboardInterrupt):
        unlearn(problem, method, run=run, watch=watch, watch_every=2, keep=keep, out=tmp_path)
    resumed = unlearn(problem, method, watch=watch, watch_every=2, keep=keep, out=tmp_path)
    assert same_weights(resumed.model, whole.model)
    assert resumed.record["history"] == whole.record["history"]


def test_watching_does_not_change_the_run():
    problem = tiny_problem()
    method = FineTune(epochs=2, batch_size=8)

    def watch(model):
        model.eval()
        return {"x": float(torch.rand(1))}

    assert same_weights(unlearn(problem, method).model, unlearn(problem, method, watch=watch, watch_every=1).model)


def test_a_metric_to_keep_that_is_not_watched_is_named():
    with pytest.raises(ConfigurationError, match="cannot keep the best 'acuracy'; did you mean 'accuracy'"):
        unlearn(
            tiny_problem(), FineTune(epochs=1), watch=lambda _: {"accuracy": 1.0}, watch_every=1,
            keep=Keep("acuracy", 1),
        )  # fmt: skip


def test_cost_counts_steps_examples_and_operations():
    problem = tiny_problem()
    cost = unlearn(problem, FineTune(epochs=2, batch_size=8)).record["cost"]
    assert cost["steps"] == 2 * 5
    assert cost["examples"] == 2 * 40
    # Forward: 2·(4·8 + 8·3) operations an example; the weights' gradients as many, the inner layer's inputs 2·8·3 more.
    assert cost["flops"] == 80 * (2 * 2 * (4 * 8 + 8 * 3) + 2 * 8 * 3)
    assert cost["seconds"] > 0
    assert cost["peak_bytes"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        unlearn(tiny_problem(), FineTune(**options))


def test_memory_that_runs_out_names_the_setting_and_how_far_to_lower_it():
    class Greedy(FineTune):
        def objective(self, problem, run):
            def terms(model, draw):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …")

            return terms

    with pytest.raises(NotEnoughMemory, match=r"over 8 examples do not fit .* set micro_batch to 4"):
        unlearn(tiny_problem(), Greedy(batch_size=8))
    with pytest.raises(NotEnoughMemory, match=r"over one example does not .*checkpointing"):
        unlearn(tiny_problem(), Greedy(batch_size=8, micro_batch=1))


def test_an_original_that_was_copied_to_the_device_leaves_it_where_nobody_reads_it_any_more(monkeypatch):
    problem, left = tiny_language_problem(), []

    def leave(model):
        left.append(model)

    monkeypatch.setattr(type(problem.model), "cpu", leave)
    for retain in ("nll", "kl"):
        method = NPO(epochs=1, batch_size=4, retain=retain)
        method.unlearn(problem, Run(spare=problem.model))
        method.unlearn(problem, Run())
    assert left == [problem.model]
