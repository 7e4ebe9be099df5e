"""Concept poisoning: overwrite in each image what speaks for its class, relabel it, and train the head on that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import feeds
from lethe.descent import Descent, Objective
from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples, concatenate, join
from lethe.feeds import Draw, Rows
from lethe.measuring import example_outputs
from lethe.methods.descent.concepts import patches
from lethe.methods.descent.concepts.bottleneck import Bottleneck, fit_bottleneck
from lethe.methods.descent.concepts.encoders import (
    Concepts,
    embedded,
    learnt_concepts,
    own_features,
    written_concepts,
)
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import LastLayers, Scope
from lethe.tasks import Classification, as_classification

Place = Literal["localized", "margin", "centre", "random", "whole", "none"]
SIZES: Mapping[Place, int] = {"localized": 64, "margin": 64, "centre": 96, "random": 96, "whole": 160, "none": 0}


@dataclass(frozen=True, kw_only=True)
class ConceptPoisoning(Descent):
    """Class unlearning by concept inference and poisoning: fine-tune the head on forget images that were tampered with.

    A post-hoc concept bottleneck says which concept speaks most for the class, and which for a class it is confused
    with, the donor. Where a window of an image is most like the first, the window of a random donor image that is most
    like the second is pasted, and the label becomes the donor's. All else is trained on as it is. It is the labels that
    make a class forgotten, and the features still tell it: relearning is quick.

    Lengths are for images of 224 pixels, and brought to the size of those given.

    Args:
        place: where a patch goes: `localized` where the concept shows; `margin` where all concepts together speak most
            for the class; `centre`; `random`; `whole`, the donor image made smaller, in the middle; `none` pastes
            nothing. Of `centre` and `random` the patch is the middle of the donor image.
        labels: `targeted`, the donor's; `random`, drawn from all; `keep`, as a control.
        donor: the donor's class; None takes the one that the original gives most probability to on the forget images,
            apart from their own.
        concept: what to overwrite; empty for what speaks most for the class.
        donor_concept: what to paste; empty for what speaks most for the donor.
        clip: folder or name of a CLIP model that knows concepts by their words; empty takes the classifier's features,
            in which concepts are learnt from examples.
        words: the concepts of `clip`.
        column: column that says which examples show a concept, [N, M] of 0 and 1 or [N] numbers; empty for the label.
        names: what the concepts of the column are called.
        size: side of the patch; 0 for the published one of the place.
        stride: step between windows.

    Source: Chang et al. 2024, arXiv:2405.15662, and the authors' revised release; concepts there come from CLIP's text
        encoder and ConceptNet.
    """

    intent: ClassVar[str] = "class"
    acts_on: ClassVar[str] = "head"
    aims: ClassVar[str] = "suppression"
    divisible: ClassVar[bool] = False  # a batch holds both sets in whatever shares fall into it

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    scope: Scope = field(default_factory=LastLayers)
    place: Place = "localized"
    labels: Literal["targeted", "random", "keep"] = "targeted"
    donor: int | None = None
    concept: str = ""
    donor_concept: str = ""
    clip: str = ""
    words: tuple[str, ...] = ()
    column: str = ""
    names: tuple[str, ...] = ()
    size: int = 0
    stride: int = 16

    def check(self) -> None:
        """Raise ConfigurationError where an option is out of range."""
        super().check()
        if self.size < 0 or self.stride < 1:
            raise ConfigurationError(f"size must not be negative and stride positive, not {self.size}, {self.stride}")

    def together(self) -> frozenset[str]:
        """A mixed batch may hold one kind only."""
        return frozenset()

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """One pass over both sets shuffled together."""
        return feeds.mixed(problem, run, epoch, self.batch_size)

    def unlearn(self, problem: Problem, run: Run) -> nn.Module:
        """Tamper with the forget images, then train on them."""
        self.check()
        return super().unlearn(replace(problem, forget=self.poisoned(problem, run)), run)

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the two cross-entropies; each counts by its share of the batch."""

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            if draw.forget is None or draw.retain is None:
                name, batch = ("retain", draw.retain) if draw.forget is None else ("forget", draw.forget)
                assert batch is not None
                return {name: problem.task.losses(model, batch)}
            count, losses = len(draw.forget), problem.task.losses(model, join(draw.forget, draw.retain))
            share = count / len(losses)
            return {"forget": share * losses[:count], "retain": (1 - share) * losses[count:]}

        return terms

    def poisoned(self, problem: Problem, run: Run) -> Examples:
        """Return the forget examples with their patches and labels; classes are taken one by one.

        Raises:
            InputError: inputs are no images, a concept has too few examples, or there is no donor.
        """
        task = as_classification(problem.task, type(self).__name__)
        forget, images = problem.forget, problem.forget.tensor(task.input)
        if images.dim() != 4:
            raise InputError(f"concept poisoning pastes into images [N, channels, h, w], not {list(images.shape)}")
        own = forget.tensor(task.label)
        images, labels = images.clone(), own.clone()
        bottleneck, concepts = (
            self._explained(problem, task, run) if self.place in ("localized", "margin") else (None, None)
        )
        for label in own.unique().tolist():
            rows = (own == label).nonzero().flatten()
            donor = self._donor(problem, task, label, run)
            drawn = self._donors(problem, task, donor, len(rows), run.generator("donors", label))
            patch, corners = self._patches(task, images[rows], drawn, (label, donor), bottleneck, concepts, run)
            if self.place != "none":
                images[rows] = patches.paste(images[rows], patch, corners)
            if self.labels != "keep":
                labels[rows] = donor
        if self.labels == "random":
            labels = torch.randint(task.classes, labels.shape, generator=run.generator("labels")).to(labels)
        return forget.with_column(task.input, images).with_column(task.label, labels)

    def _explained(self, problem: Problem, task: Classification, run: Run) -> tuple[Bottleneck, Concepts]:
        """Return what each concept says for each class, and the concepts."""
        known = concatenate(problem.kept, problem.forget)
        pixels = known.tensor(task.input).float() * task.scale
        if self.clip:
            concepts = written_concepts(self.clip, self.words, run)
        else:
            side = (pixels.shape[2], pixels.shape[3])
            encode = own_features(problem.model, task, side)
            concepts = learnt_concepts(encode, pixels, known, self.column or task.label, self.names, run)
        embeddings = embedded(concepts.encode, pixels, run, "embeddings")
        labels = known.tensor(task.label)
        return fit_bottleneck(embeddings, labels, concepts.bank, run.key("bottleneck")), concepts

    def _donor(self, problem: Problem, task: Classification, label: int, run: Run) -> int:
        """Return the class whose images give the patches."""
        there = problem.kept.tensor(task.label).unique()
        if self.donor is not None:
            if not bool((there == self.donor).any()) or self.donor == label:
                raise InputError(f"class {self.donor} cannot be the donor for class {label}: name another that is kept")
            return self.donor
        rows = (problem.forget.tensor(task.label) == label).nonzero().flatten()
        said = example_outputs(problem.model, task, problem.forget.take(rows), run).softmax(1).mean(0)
        allowed = torch.zeros_like(said, dtype=torch.bool).index_fill(0, there.cpu().long(), True)
        allowed[label] = False
        if not bool(allowed.any()):
            raise InputError(f"the retain set holds no class but {label}; a donor must be another")
        return int(said.masked_fill(~allowed, -1).argmax())

    def _donors(
        self, problem: Problem, task: Classification, donor: int, count: int, generator: torch.Generator
    ) -> Tensor:
        """Return an image of the donor's class for each forget image, drawn at random with replacement."""
        rows = (problem.kept.tensor(task.label) == donor).nonzero().flatten()
        chosen = rows[torch.randint(len(rows), (count,), generator=generator)]
        return problem.kept.tensor(task.input)[chosen]

    def _patches(
        self, task: Classification, images: Tensor, donors: Tensor, classes: tuple[int, int],
        bottleneck: Bottleneck | None, concepts: Concepts | None, run: Run,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return a patch for each image, and the corner it goes to."""
        side = (images.shape[2], images.shape[3])
        size = patches.size_of(self.size or SIZES[self.place] or 1, min(side))
        middle = patches.centres(len(images), side, size)
        if bottleneck is None or concepts is None:
            patch = patches.resized(donors, size) if self.place == "whole" else patches.crop(donors, middle, size)
            if self.place != "random":
                return patch, middle
            free = torch.tensor(side) - size + 1
            drawn = torch.rand(len(images), 2, generator=run.generator("places", classes[0]))
            return patch, (drawn * free).long()
        names = bottleneck.bank.names
        wanted = self.concept or bottleneck.top(classes[0], 1)[0]
        pasted = self.donor_concept or bottleneck.top(classes[1], 1)[0]
        target, given = (one_hot(names, bottleneck.bank.position(name)) for name in (wanted, pasted))
        if self.place == "margin":
            target = bottleneck.row(classes[0])
        stride = patches.size_of(self.stride, min(side))

        def corners(seen: Tensor, weights: Tensor) -> Tensor:
            return patches.peaks(similarity_maps(concepts, seen * task.scale, weights, size, stride, run), stride)

        return patches.crop(donors, corners(donors.float(), given), size), corners(images.float(), target)


def similarity_maps(concepts: Concepts, pixels: Tensor, weights: Tensor, size: int, stride: int, run: Run) -> Tensor:
    """Return Σ_m w_m ⟨e(window), v_m⟩ of all windows of each image, [N, h, w]; of CLIP these are cosines.

    Args:
        concepts: the encoder and the concepts.
        pixels: [N, channels, height, width].
        weights: [M] w.
        size: side of a window.
        stride: step between windows.
        run: says where it is computed.
    """
    cut = patches.windows(pixels, size, stride)
    shape = cut.shape[:3]
    found = embedded(concepts.encode, cut.flatten(0, 2), run, "windows")
    return (concepts.bank.scores(found) @ weights.float()).view(shape)


def one_hot(names: Sequence[str], position: int) -> Tensor:
    """Return [M] zeros but for a one at the position."""
    return torch.zeros(len(names)).index_fill(0, torch.tensor(position), 1.0)
