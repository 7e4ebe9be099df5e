"""LAF: make forget embeddings unlike those of the forget set and keep the others where they were, without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds, losses
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.feeds import Draw, Rows
from lethe.measuring import over_examples
from lethe.methods.baselines.finetune import FineTune
from lethe.methods.descent.feature_vae import FeatureVAE, Output, fitted
from lethe.methods.descent.moving_features import moving_features
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Given, LastLayers, LoRA
from lethe.steps import Alternating, Step

FIRST = ("forget", "retain")


@dataclass(frozen=True, kw_only=True)
class LAF(Descent):
    """Label-agnostic forgetting (LAF): in each batch min Σ_r F(m_p(x)) - Σ_f F(m_q(x)), then the alignment L_RA.

    m_p and m_q are the errors with which two VAEs, fitted to the original's features of all data and of the forget set,
    reproduce φ(x); F(m) = exp(m / (m + 1)). L_RA = Σ_r log(exp(c_r) / Σ_f exp(c_f / τ)), c = 1 - cos(φ(x), φ_0(x)). An
    epoch ends with the shorter of the two sets. Only what comes before the last layer moves.

    No label is read, of neither set, unless `repair_epochs` is above 0: a label column of any class numbers does.

    Args:
        latent: k, latent dimensions of the VAEs.
        vae_epochs: passes with which they are fitted.
        vae_rate: their learning rate (Adam).
        vae_output: what follows their last layer. `sigmoid`, as in the release, reaches no feature above 1, so that
            even kept features are badly explained; `linear` reproduces features of any size.
        vae_data: what m_p is fitted to: `all` data, as in the release, or the `retain` set alone.
        sampled: draw the latent variables also after the fit, as the release does; otherwise they are their means.
        temperature: τ.
        unit_scale: divide features by the original's mean norm before they go to the VAEs: F'(m) vanishes for large m,
            and nothing would be pushed. The release does not.
        repair_epochs: LAF+R: passes over labelled retain examples, with the cross-entropy on the last layer alone.
        repair_examples: how many of them, drawn once; 0 takes all.
        repair_rate: learning rate of that (Adam).
        step: by default one update for each of the two losses, with moments of their own and the second at twice the
            learning rate.

    Source: Shen et al. 2024, arXiv:2404.00506; defaults: the authors' release, for classes on a CNN; for ResNet-18
        latent=16, epochs=40, learning_rate=1e-5 and a second rate 4 or 5 times as large.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    aims: ClassVar[str] = "suppression"
    divisible: ClassVar[bool] = False  # L_RA compares the examples of a batch

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 5e-5
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    step: Step = field(default_factory=lambda: Alternating(first=FIRST, apart=True, rate=2.0))
    latent: int = 8
    vae_epochs: int = 10
    vae_rate: float = 1e-3
    vae_output: Output = "linear"
    vae_data: Literal["all", "retain"] = "all"
    sampled: bool = True
    temperature: float = 20.0
    unit_scale: bool = True
    repair_epochs: int = 0
    repair_examples: int = 0
    repair_rate: float = 1e-3

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if self.latent < 1 or self.vae_epochs < 1 or self.repair_epochs < 0 or self.repair_examples < 0:
            raise ConfigurationError(
                "latent and vae_epochs must be at least 1, repair_epochs and repair_examples not negative, not "
                f"{self.latent}, {self.vae_epochs}, {self.repair_epochs} and {self.repair_examples}"
            )
        if not (self.temperature > 0 and self.vae_rate > 0 and self.repair_rate > 0):
            raise ConfigurationError(
                "temperature, vae_rate and repair_rate must be positive, not "
                f"{self.temperature}, {self.vae_rate} and {self.repair_rate}"
            )
        if self.repair_epochs and isinstance(self.scope, LoRA):
            raise ConfigurationError("laf's repair moves the last layer itself; leave out the scope lora or the repair")

    def reads_labels(self) -> bool:
        """The repair alone does."""
        return self.repair_epochs > 0

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Run the loop, and the supervised repair of the head where it is asked for."""
        if not self.repair_epochs:
            return super().unlearn(problem, run)
        model = super().unlearn(problem, run)
        known = problem.kept
        if self.repair_examples:
            known = known.sample(self.repair_examples, run.generator("labelled"))
        repair = FineTune(
            epochs=self.repair_epochs,
            batch_size=self.batch_size,
            learning_rate=self.repair_rate,
            optimizer="adam",
            weight_decay=0.0,
            scope=Given(self.scope.mask(problem, run)) & LastLayers(count=1),
        )
        return repair.unlearn(replace(problem, model=model, retain=known), run.part("repair"))

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """Return forget and retain batches side by side until either set ends."""
        forget = feeds.forget_pass(problem, run, epoch, self.batch_size)
        retain = feeds.retain_pass(problem, run, epoch, self.batch_size)
        return [(one, other) for (one, _), (_, other) in zip(forget, retain, strict=False)]

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return how well the VAEs explain either batch, and the alignment with the original."""
        on_forget, on_retain = (self._features(problem, examples, run) for examples in (problem.forget, problem.kept))
        explains = self.explanations(on_forget, on_retain, run)
        on_forget, on_retain = on_forget.to(run.device), on_retain.to(run.device)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.forget is not None
            assert draw.retain is not None
            kept = moving_features(problem.task, model, draw.retain, "laf")
            forgotten = moving_features(problem.task, model, draw.forget, "laf")
            kept_error, forgotten_error = explains(kept, forgotten, draw.step)
            alignment = losses.contrastive_alignment(
                losses.cosine_distance(kept, on_retain[draw.retain.rows]),
                losses.cosine_distance(forgotten, on_forget[draw.forget.rows]),
                self.temperature,
            )
            # Sums over the batch, as published: the loop takes means.
            return {
                "retain": len(kept) * losses.bounded_exponential(kept_error),
                "forget": -len(forgotten) * losses.bounded_exponential(forgotten_error),
                "retain_alignment": alignment.sum(),
            }

        return terms

    def explanations(self, on_forget: Tensor, on_retain: Tensor, run: Run) -> Explanations:
        """Return the two VAEs, fitted to the original's features of forget and retain set, [N, d]."""
        everything = torch.cat([on_retain, on_forget])
        scale = float(everything.norm(dim=-1).mean()) if self.unit_scale else 1.0
        known = everything if self.vae_data == "all" else on_retain
        p, q = (
            fitted(
                features / scale,
                self.latent,
                self.vae_output,
                self.vae_epochs,
                self.vae_rate,
                self.batch_size,
                run,
                f"VAE of {name}",
            )
            for name, features in (("what is kept", known), ("the forget set", on_forget))
        )
        return Explanations(p, q, scale, self.latent, self.sampled, run)

    def _features(self, problem: Problem, examples: Examples, run: Run) -> Tensor:
        return over_examples(problem.model, problem.task, examples, run, problem.task.features, "features").float()


@dataclass(frozen=True, eq=False)
class Explanations:
    """The two frozen VAEs.

    Args:
        p: fitted to what is kept.
        q: fitted to the forget set.
        scale: features are divided by it.
        latent: k.
        sampled: whether latent variables are drawn.
        run: where the randomness comes from.
    """

    p: FeatureVAE
    q: FeatureVAE
    scale: float
    latent: int
    sampled: bool
    run: Run

    def __call__(self, kept: Tensor, forgotten: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return m_p of the kept rows, [B_r], and m_q of the rows to forget, [B_f]."""
        generator = self.run.generator("latent", step)
        found = []
        for vae, features in ((self.p, kept), (self.q, forgotten)):
            noise = torch.zeros(len(features), self.latent)
            if self.sampled:
                noise = torch.randn(len(features), self.latent, generator=generator)
            found.append(vae.errors(features / self.scale, noise.to(features.device)))
        return found[0], found[1]
