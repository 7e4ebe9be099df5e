"""Everything in the catalogue keeps its promises."""

from __future__ import annotations

import dataclasses

import pytest

from lethe import catalogue, testing
from lethe.auditing.attacks.prompts import PromptAttack
from lethe.auditing.attacks.swapped_options import SwappedOptions
from lethe.descent import Descent
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.baselines.retrain import Retrain
from lethe.problem import Problem
from lethe.steps import TamperResistance
from lethe.tasks import Classification, Regression
from lethe.testing.language import tiny_language_problem
from lethe.worlds.diabetes import Diabetes
from lethe.worlds.digits import Digits, network
from tests.auditing.prompting import talkers
from tests.auditing.prompting.writers import Echo
from tests.domains import Domains

SETTINGS = {
    ("scope", "layers"): {"names": ("head.*",)},
    # A promise of a loop is kept or broken within a few epochs.
    ("method", "negmerge"): {"epochs": 2, "learning_rates": (1e-4, 1e-3), "weight_decays": (0.0,)},
    ("method", "prune_then_unlearn"): {"method": FineTune(epochs=2), "train_epochs": 4, "rewind_epoch": 2},
    ("method", "duck"): {"epochs": 2, "batch_size": 32, "retain_batches": 3},
    ("method", "scar"): {"epochs": 2, "batch_size": 32, "retain_batches": 3, "noise_count": 64},
    ("method", "scar_self"): {"epochs": 2, "batch_size": 64, "noise_count": 128},
    ("method", "concept_poisoning"): {"epochs": 2, "size": 112, "stride": 56},
    ("method", "meta_unlearn"): {"epochs": 2, "width": 16, "identity_width": 4, "learning_rate": 1e-3},
    ("method", "concept_masking"): {"new_tokens": 8, "steps": 4},
    ("method", "slug"): {"erased": 0.5},
    ("method", "laf"): {"epochs": 2, "vae_epochs": 2, "repair_epochs": 1},
    ("method", "miu"): {"epochs": 3, "forget_epochs": 2, "batch_size": 32, "first_batches": 3, "later_batches": 2},
    ("method", "datamodel_matching"): {"attribution": "datamodels", "models": 2, "epochs": 2, "batch_size": 32},
    ("method", "oracle_matching"): {"epochs": 2, "batch_size": 32},
    ("method", "lcodec"): {"perturbations": 20, "damping": 1.0, "tolerance": 0.5},
    ("method", "sisa"): {"shards": 2, "epochs": 2},
    ("method", "noisy_gd"): {"steps": 20, "epsilon": 1e6},
    ("method", "safe"): {"steps": 3},
    ("method", "uer"): {"memory": 20, "learning_rate": 0.02},
    ("method", "soup"): {"shards": 2, "epochs": 1},
    ("method", "s3t"): {"shards": 2, "slices": 2, "orders": 1, "epochs": 1},
    ("method", "tar"): {"safeguard_epochs": 1, "step": TamperResistance(attack_steps=4, rates=(1e-4, 1e-3))},
    ("step", "tamper_resistance"): {"attack_steps": 4},
    ("attack", "relearn"): {"max_steps": 20},
    ("attack", "relearn_values"): {"max_steps": 20},
    ("attack", "relearn_text"): {"max_steps": 4, "evaluate_every": 2},
    ("attack", "few_shot"): {"shots": 2},
    ("attack", "translation"): {"generator": Echo(), "languages": ("French",)},
    ("attack", "step_by_step"): {"generator": "template"},
    ("attack", "nearby_queries"): {"steps": 2},
    ("attack", "watermark"): {"key": 1, "queries": 2, "new_tokens": 4},
    ("scope", "lora"): {"targets": ("hidden",)},
    # Six tokens an answer; and a multiplier that moves from the first step.
    ("method", "knowledge_unlearning"): {"ngram": 3},
    ("method", "pdu"): {"dual_warmup_epochs": 0},
    ("method", "whp"): {"reinforce_epochs": 1},
    ("method", "zjuklab"): {"epochs": 2, "learning_rate": 1e-3, "warmup_epochs": 0.0, "rank": 2, "accumulation": 1},
    ("method", "causal_whp"): {"teachers": 2},
    ("method", "relearn"): {"generator": "template", "variations": False, "completions": False},
    ("method", "unstar"): {
        "generator": "template",
        "questions": 2,
        "forgotten_questions": 3,
        "rounds": 2,
        "new_tokens": 8,
        "epochs": 2,
        "learning_rate": 1e-3,
    },
    # Models of two blocks.
    ("method", "rmu"): {"layer": 1, "length": 20.0},
    ("method", "memflex"): {"similarity": 1.01, "magnitude": 0.0},
    ("scope", "memflex"): {"similarity": 1.01, "magnitude": 0.0},
    ("method", "selective_amnesia"): {"count": 1},
    ("scope", "traced"): {"count": 1},
    ("scope", "blocks"): {"layers": (1,), "modules": ("mlp",)},
}
"""What parts are made with; everything else has defaults."""

SPEAKING_SCOPES = ("blocks", "memflex", "traced", "one_expert", "value_vectors")
"""Scopes that work on language models alone."""

SMALL = {"facts": 4, "layers": 2, "width": 16, "epochs": 30}
"""A world of its own for what needs a mixture of experts, or prompts that name their subject."""

WORLDS = {
    "uoe": Domains(architecture="moe", **SMALL),
    "one_expert": Domains(architecture="moe", **SMALL),
    "selective_amnesia": Domains(**SMALL),
    "traced": Domains(**SMALL),
    "scar_self": Digits("class"),
    "blindspot": Diabetes(),
    "gaussian_amnesiac": Diabetes(),
}

LANGUAGE = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-3, "warmup_epochs": 0.0}
"""What descents on language models are made with besides."""


def speaks(slug: str) -> bool:
    """Whether a method works on language models alone."""
    return Classification not in catalogue.find("method", slug).tasks


def made(kind: str, slug: str):
    found = catalogue.find(kind, slug)
    common = LANGUAGE if kind == "method" and speaks(slug) and issubclass(found, Descent) else {}
    return found(**common | SETTINGS.get((kind, slug), {}))


def fitting(kind: str, slug: str, problem: Problem) -> Problem:
    """The problem, or that of text where the part works on nothing else."""
    if slug == "s3t":
        return dataclasses.replace(problem, model=network("vit"))
    if kind == "attack" and issubclass(catalogue.find(kind, slug), PromptAttack | SwappedOptions):
        return talkers.problem()
    if kind in ("metric", "attack") and catalogue.find(kind, slug).tasks == (Regression,):
        return Diabetes().problem(gold=(1, 2))
    if slug in WORLDS:
        return WORLDS[slug].problem(gold=(1,))
    alone = slug in SPEAKING_SCOPES if kind == "scope" else Classification not in catalogue.find(kind, slug).tasks
    return tiny_language_problem() if alone else problem


@pytest.fixture
def problem() -> Problem:
    return testing.tiny_problem()


@pytest.mark.parametrize("slug", catalogue.entries("method"))
def test_methods_conform(slug, problem):
    testing.check_method(made("method", slug), fitting("method", slug, problem))


def test_retraining_conforms_also_where_the_problem_has_no_recipe(problem):
    testing.check_method(Retrain(epochs=5), dataclasses.replace(problem, retrain=None))


@pytest.mark.parametrize("slug", catalogue.entries("scope"))
def test_scopes_conform(slug, problem):
    testing.check_scope(made("scope", slug), fitting("scope", slug, problem))


@pytest.mark.parametrize("slug", catalogue.entries("step"))
def test_steps_conform(slug, problem):
    testing.check_step(made("step", slug), problem)


@pytest.mark.parametrize("slug", catalogue.entries("weighting"))
def test_weightings_conform(slug, problem):
    testing.check_weighting(made("weighting", slug), problem)


@pytest.mark.parametrize("slug", catalogue.entries("metric"))
def test_metrics_conform(slug, problem):
    testing.check_metric(made("metric", slug), fitting("metric", slug, problem))


@pytest.mark.parametrize("slug", catalogue.entries("attack"))
def test_attacks_conform(slug, problem):
    testing.check_attack(made("attack", slug), fitting("attack", slug, problem))
