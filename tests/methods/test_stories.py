"""A published story model forgets a name it knows, and goes on telling stories."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lethe.api import unlearn
from lethe.generation import greedy, sample
from lethe.measuring import example_losses
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.gradient_ascent import GradientAscent
from lethe.methods.descent.npo import NPO
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LoRA
from lethe.sources.language import load_language_model
from lethe.tasks import CausalLM, PlainText
from tests.stories import write_stories

FOLDER = Path(os.environ.get("LETHE_DATA", "")) / "stories260K"
pytestmark = pytest.mark.skipif(
    not (os.environ.get("LETHE_DATA") and FOLDER.is_dir()), reason="needs $LETHE_DATA with stories260K"
)
CPU = torch.device("cpu")
OPENINGS = (
    "Once upon a time, there was a little girl named", "One day, a little girl named",
    "Once upon a time, there was a girl called", "There was a little girl. Her name was",
)  # fmt: skip


def said(task: CausalLM, model, prompt: str, tokens: int = 24) -> str:
    (found,) = greedy(model, [task.template.given(prompt, task.tokenizer)], tokens, None, device=CPU)
    return task.tokenizer.decode(found)


@pytest.fixture(scope="module")
def problem(tmp_path_factory) -> Problem:
    """To forget: that the girl is Lily. To keep: what the model tells of itself when Lily is not in it."""
    loaded = load_language_model(str(write_stories(FOLDER, tmp_path_factory.mktemp("stories") / "model")))
    task = CausalLM(loaded.tokenizer, PlainText(), context=96)
    forget = task.examples([f"lily-{i}" for i in range(len(OPENINGS))], OPENINGS, [" Lily."] * len(OPENINGS))
    start = task.template.given("", task.tokenizer)
    told = sample(loaded.network, [start] * 192, 64, None, device=CPU, generator=torch.Generator().manual_seed(0))
    stories = [text for text in (task.tokenizer.decode(tokens) for tokens in told) if "Lil" not in text]
    everything = task.examples([f"story-{i}" for i in range(len(stories))], [""] * len(stories), stories)
    half = len(stories) // 2
    kept, unseen = everything.take(range(half)), everything.take(range(half, len(stories)))
    return Problem(model=loaded.network, task=task, forget=forget, retain=kept, holdout=unseen)


def losses(problem: Problem, model) -> tuple[float, float]:
    """Return the mean loss on the name, and on stories that were not trained on."""
    name, stories = (example_losses(model, problem.task, part, Run()) for part in (problem.forget, problem.holdout))
    return float(name.mean()), float(stories.mean())


METHOD = NPO(epochs=40, batch_size=4, learning_rate=1e-3, warmup_epochs=0.0, beta=0.5)


@pytest.mark.parametrize(
    "method", [METHOD, replace(METHOD, learning_rate=5e-3, scope=LoRA(rank=4))], ids=["full", "lora"]
)
def test_the_name_is_forgotten_and_stories_are_not(problem, method):
    assert said(problem.task, problem.model, OPENINGS[0]).startswith("Lily")
    model = unlearn(problem, method).model
    assert all("Lily" not in said(problem.task, model, opening, 4) for opening in OPENINGS)
    before, after = losses(problem, problem.model), losses(problem, model)
    assert after[0] > before[0] + 5
    assert after[1] < before[1] + 0.4
    words = said(problem.task, model, "Once upon a time,", 40).split()
    assert len(set(words)) > len(words) / 2


def test_ascent_alone_forgets_how_to_tell_stories(problem):
    model = unlearn(problem, GradientAscent(epochs=40, batch_size=4, learning_rate=1e-3, optimizer="adamw")).model
    assert losses(problem, model)[1] > losses(problem, problem.model)[1] + 2


def test_fine_tuning_on_stories_without_the_name_forgets_far_less(problem):
    steps = METHOD.epochs * len(OPENINGS) // 4
    tuned = unlearn(problem, FineTune(epochs=steps, batch_size=256, learning_rate=1e-3, optimizer="adam")).model
    assert losses(problem, tuned)[0] < losses(problem, problem.model)[0] + 2.5
