"""MetaUnlearn: one step along a loss that was learnt for it, on a single image of each person to forget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe.errors import ConfigurationError
from lethe.examples import Examples, shuffled
from lethe.methods.base import Method, settings
from lethe.methods.descent.meta_loss import (
    MetaLoss,
    Request,
    alignment_loss,
    inner_gradient,
    names_in,
    simulated_requests,
    stepped_logits,
)
from lethe.methods.descent.meta_loss_folder import read_loss, write_loss
from lethe.problem import Problem
from lethe.run import Run
from lethe.state_arithmetic import moved, weights, with_weights
from lethe.store import RunFolder
from lethe.tasks import Classification, as_classification

IDENTITY = "identity"


@dataclass(frozen=True, kw_only=True)
class MetaUnlearn(Method):
    """MetaUnlearn (1-SHUI): θ_u = θ0 - η ∇_θ h_φ(S), S being one image of each person to forget, and no other data.

    The loss h_φ is learnt while the training data are there: requests of some people of the training data are
    simulated, θ' = θ0 - η ∇_θ h_φ(their shown images), and φ follows the gradient, through that step, of
    SmoothL1(ℓ(θ'; their others), ℓ(θ0; V)) + SmoothL1(ℓ(θ'; their others), ℓ(θ'; V)), where V are people never seen,
    ℓ = (1 - accuracy) · cross-entropy, and the V sides are fixed: forgotten people shall be told as badly as those, and
    no worse.

    The problem's forget set is S. Its retain set, and its holdout set as V, are read where the loss is not there yet;
    it is best learnt on all training data, those people among them, which `ahead` does before any request.

    Args:
        loss: folder of a loss that `learn` has written; empty learns it on the retain set.
        identity: column that says who is seen; empty takes `identity` where the examples have such a column, else the
            label, to forget classes.
        simulated: people of a simulated request; 0 for as many as are to be forgotten.
        step_size: η, the length of the step.
        epochs: passes over the people in which the loss is learnt.
        batch_size: images a batch.
        learning_rate: step size of AdamW (amsgrad) on φ, with a cosine over the epochs.
        against: terms of the outer loss: `full`, or the one with ℓ(θ0; V) (`original`), or that with ℓ(θ'; V)
            (`unlearned`).
        weigh: take ℓ = (1 - accuracy) · cross-entropy; where all images to forget are told right this leaves nothing
            to learn from, and the plain cross-entropy does.
        width: width of the loss network.
        identity_width: size of what it knows of each person.
        dropout: share of its units that is dropped while it learns.
        steps: steps of the deployment.

    Source: De Min et al. 2025, Unlearning Personal Data from a Single Image, TMLR, arXiv:2407.12069. Single labels
        only: the published multi-label form needs a task of its own.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"retain", "holdout"})
    intent: ClassVar[str] = "examples"
    aims: ClassVar[str] = "removal"

    loss: str = ""
    identity: str = ""
    simulated: int = 0
    step_size: float = 0.1
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 1e-4
    against: Literal["full", "original", "unlearned"] = "full"
    weigh: bool = True
    width: int = 512
    identity_width: int = 64
    dropout: float = 0.5
    steps: int = 1

    def requirements(self) -> frozenset[str]:
        """The training data, unless the loss comes from a folder."""
        return frozenset() if self.loss else self.needs

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        if min(self.epochs, self.batch_size, self.steps, self.width, self.identity_width) < 1 or self.simulated < 0:
            raise ConfigurationError("epochs, batch_size, steps and widths must be at least 1, simulated at least 0")
        if not (self.step_size >= 0 and self.learning_rate > 0 and 0 <= self.dropout < 1):
            raise ConfigurationError("step_size must not be negative, learning_rate positive and dropout in [0, 1)")

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Return the model after the step, or steps."""
        self.check()
        task = as_classification(problem.task, "MetaUnlearn")
        if self.loss:
            loss = read_loss(Path(self.loss)).to(run.device)
        else:
            assert problem.holdout is not None
            count = len(set(names_in(problem.forget, self._column(problem.forget, task))))
            loss = self.learn(problem.model, task, problem.kept, problem.holdout, run, count)[0]
        return self.deployed(problem.model, task, loss, problem.forget, run)

    def ahead(self, problem: Problem, run: Run, folder: Path, count: int) -> MetaUnlearn:
        """Return the method with the loss learnt on all training data and written to the folder."""
        self.check()
        if self.loss:
            return self
        assert problem.holdout is not None
        task, place = as_classification(problem.task, "MetaUnlearn"), RunFolder(folder)
        asked = {"method": settings(self), "problem": problem.fingerprint(), "seed": run.seed, "count": count}
        with place.owned():
            place.claim(asked)
            if (place.record() or {}).get("status") != "done":
                place.write_record({"status": "running", "configuration": asked})
                with run.timed():
                    self.learn(problem.model, task, problem.kept, problem.holdout, run, count, folder)
                place.write_record({"status": "done", "configuration": asked, "cost": run.cost.as_dict()})
        return replace(self, loss=str(folder.resolve()))

    def requirements_at_request(self) -> frozenset[str]:
        """Nothing but the images of the people to forget."""
        return frozenset()

    def deployed(
        self, model: nn.Module, task: Classification, loss: MetaLoss, support: Examples, run: Run
    ) -> nn.Module:
        """Return θ0 - η ∇_θ h_φ(support), as often as there are steps."""
        people = names_in(support, self._column(support, task))
        loss.eval()
        for _ in range(self.steps):
            total = {name: torch.zeros_like(value) for name, value in weights(model).items()}
            for batch in support.batches(self.batch_size):
                run.interrupt_point()
                who = [people[row] for row in batch.rows.tolist()]
                found = inner_gradient(model, task, loss, batch.to(run.device), who, differentiable=False)
                total = {name: value + len(batch) / len(support) * found[name] for name, value in total.items()}
                run.cost.examples += len(batch)
            model = with_weights(model, moved(weights(model), total, -self.step_size))
        for name, value in weights(model).items():
            run.require_finite(value, f"the weights '{name}' after MetaUnlearn's step")
        return model.eval()

    def learn(
        self, model: nn.Module, task: Classification, train: Examples, unseen: Examples, run: Run, count: int = 1,
        folder: Path | None = None,
    ) -> tuple[MetaLoss, list[float]]:  # fmt: skip
        """Return the loss, and the mean of the outer loss in each epoch.

        Args:
            model: θ0.
            task: how it is fed.
            train: all training data.
            unseen: V, people who are not among them.
            run: seed, device, progress.
            count: people of a simulated request where `simulated` does not say.
            folder: where to write the loss; None keeps it in memory alone.
        """
        people = names_in(train, self._column(train, task))
        loss = self._fresh(model, task, train, sorted(set(people)), run)
        optimizer = torch.optim.AdamW(loss.parameters(), lr=self.learning_rate, amsgrad=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs)
        curve: list[float] = []
        with run.progress.bar("learning a loss", self.epochs) as bar, isolated(run):
            for epoch in range(self.epochs):
                found = []
                requests = simulated_requests(people, self.simulated or count, run.generator("requests", epoch))
                for number, request in enumerate(requests):
                    run.interrupt_point()
                    value = self._outer(model, task, loss, train, unseen, people, request, run, (epoch, number))
                    run.require_finite(value, "the outer loss of MetaUnlearn")
                    # The graph reaches θ0 as well, which is to have no gradient.
                    gradients = torch.autograd.grad(value, list(loss.parameters()), materialize_grads=True)
                    for parameter, gradient in zip(loss.parameters(), gradients, strict=True):
                        parameter.grad = gradient
                    optimizer.step()
                    run.cost.steps += 1
                    found.append(float(value.detach()))
                schedule.step()
                curve.append(sum(found) / len(found))
                bar.advance(1, loss=curve[-1])
        if folder is not None:
            write_loss(loss, folder)
        return loss.eval(), curve

    def _column(self, examples: Examples, task: Classification) -> str:
        return self.identity or (IDENTITY if IDENTITY in examples.columns else task.label)

    def _fresh(self, model: nn.Module, task: Classification, train: Examples, people: list[str], run: Run) -> MetaLoss:
        with torch.no_grad():
            features = task.features(model, train.batch(torch.tensor([0])).to(run.device)).shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.key("meta loss"))
            loss = MetaLoss(task.classes, features, people, self.width, self.identity_width, self.dropout)
        return loss.to(run.device)

    def _outer(
        self, model: nn.Module, task: Classification, loss: MetaLoss, train: Examples, unseen: Examples,
        people: list[str], request: Request, run: Run, at: tuple[int, int],
    ) -> Tensor:  # fmt: skip
        """Return the outer loss of a request, averaged over its forget images, with a graph that leads to φ."""
        loss.train()
        support = train.batch(request.support).to(run.device)
        who = [people[row] for row in request.support.tolist()]
        gradient = inner_gradient(model, task, loss, support, who, differentiable=True)
        trial = {name: value - self.step_size * gradient[name] for name, value in weights(model).items()}
        total = torch.zeros((), device=run.device)
        orders = iter(shuffled(len(unseen), self.batch_size, run.generator("unseen", *at)) * len(request.forget))
        for rows in request.forget.split(self.batch_size):
            forget, other = train.batch(rows).to(run.device), unseen.batch(next(orders)).to(run.device)
            said = stepped_logits(model, task, trial, forget)
            sides: list[Tensor] = []
            with torch.no_grad():
                if self.against != "unlearned":
                    sides.append(task.outputs(model, other))
                if self.against != "original":
                    sides.append(stepped_logits(model, task, trial, other))
            labels = task.labels(forget), task.labels(other)
            both = sum(
                (alignment_loss(said, labels[0], side, labels[1], self.weigh) for side in sides),
                torch.zeros_like(total),
            )
            total = total + len(rows) / len(request.forget) * both
            run.cost.examples += len(rows) + len(other)
        return total


@contextmanager
def isolated(run: Run) -> Iterator[None]:
    """Let dropout draw from the run's seed within the block, and leave the global generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(run.key("meta dropout"))
        yield
