"""A learnt loss: what its gradient on a few images does to a model, and how it is learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from lethe.errors import InputError
from lethe.examples import Batch, Examples
from lethe.scopes.importance import all_trainable
from lethe.tasks import Classification

Weights = Mapping[str, Tensor]


class MetaLoss(nn.Module):
    """h_φ: what is known of an image under a model, to one number that is never negative.

    Linear, LayerNorm, Linear, GELU, dropout, LayerNorm, Linear, softplus; the mean over the batch is the loss. An image
    comes in as [sigmoid(logits) ‖ features ‖ one-hot label ‖ embedding of the identity].

    Args:
        classes: C.
        features: D, the width of the features.
        identities: names of the identities it is learnt on, each with an embedding; an identity that is none of them
            gets their mean.
        width: width of the hidden layers.
        identity_width: size of the embeddings.
        dropout: share of the hidden units that is dropped in training.
    """

    def __init__(
        self, classes: int, features: int, identities: Sequence[str], width: int = 512, identity_width: int = 64,
        dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.classes = classes
        self.position = {name: i for i, name in enumerate(identities)}
        self.embedding = nn.Embedding(len(identities), identity_width)
        self.body = nn.Sequential(
            nn.Linear(2 * classes + features + identity_width, width), nn.LayerNorm(width), nn.Linear(width, width),
            nn.GELU(), nn.Dropout(dropout), nn.LayerNorm(width), nn.Linear(width, 1), nn.Softplus(),
        )  # fmt: skip

    def forward(self, logits: Tensor, features: Tensor, labels: Tensor, identities: Sequence[str]) -> Tensor:
        """Return h_φ, averaged over the batch.

        Args:
            logits: [B, C].
            features: [B, D].
            labels: [B].
            identities: [B] names.
        """
        mean = self.embedding.weight.mean(0)
        who = torch.stack([self.embedding.weight[self.position[i]] if i in self.position else mean for i in identities])
        seen = torch.cat([logits.sigmoid(), features, F.one_hot(labels, self.classes).to(logits), who], dim=1)
        loss: Tensor = self.body(seen).mean()
        return loss


@dataclass(frozen=True, eq=False)
class Request:
    """A simulated request: one image of each of some identities, and their other images.

    Attributes:
        support: rows of the images that are shown.
        forget: rows of the other images of the same people.
    """

    support: Tensor
    forget: Tensor


def simulated_requests(people: Sequence[str], count: int, generator: torch.Generator) -> list[Request]:
    """Return requests that name every identity once, `count` a request; the last begins anew from the first.

    Args:
        people: [N] the identity of each image; those with a single image take no part.
        count: identities a request, at most as many as there are.
        generator: where chance comes from.

    Raises:
        InputError: no identity has two images.
    """
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(people):
        rows.setdefault(name, []).append(row)
    names = sorted(name for name, own in rows.items() if len(own) > 1)
    if not names:
        raise InputError("no identity has two images: one to show and one to forget; name another identity column")
    order = [names[i] for i in torch.randperm(len(names), generator=generator).tolist()]
    count = min(count, len(order))
    order += order[: -len(order) % count]
    made = []
    for first in range(0, len(order), count):
        support, forget = [], []
        for name in order[first : first + count]:
            own = rows[name]
            shown = int(torch.randint(len(own), (1,), generator=generator))
            support.append(own[shown])
            forget += own[:shown] + own[shown + 1 :]
        made.append(Request(torch.tensor(support), torch.tensor(forget)))
    return made


def inner_gradient(
    model: nn.Module,
    task: Classification,
    loss: MetaLoss,
    batch: Batch,
    identities: Sequence[str],
    differentiable: bool,
) -> dict[str, Tensor]:
    """Return ∇_θ h_φ of some images by parameter name, in eval mode.

    Args:
        model: θ.
        task: how it is fed.
        loss: h_φ.
        batch: the images.
        identities: [B] who is on them.
        differentiable: keep the graph, so that what follows can be differentiated in φ.
    """
    names, parameters = zip(*model.named_parameters(), strict=True)
    # Fused attention has no second derivative.
    with all_trainable(model), sdpa_kernel(SDPBackend.MATH):
        logits, features = task.outputs_and_features(model, batch)
        value = loss(logits, features, task.labels(batch), identities)
        found = torch.autograd.grad(value, parameters, create_graph=differentiable, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def stepped_logits(model: nn.Module, task: Classification, moved: Weights, batch: Batch) -> Tensor:
    """Return the logits of the model with other weights, [B, C]; buffers are its own, and the graph is kept."""

    class Moved(nn.Module):
        def forward(self, inputs: Tensor) -> object:
            return functional_call(model, dict(moved), (inputs,))

    with sdpa_kernel(SDPBackend.MATH):
        return task.outputs(Moved(), batch)


def alignment_loss(
    forget: Tensor, forget_labels: Tensor, unseen: Tensor, unseen_labels: Tensor, weigh: bool = True
) -> Tensor:
    """Return SmoothL1((1 - a_f) CE_f, (1 - a_v) CE_v), the second side and both accuracies a without gradient.

    Args:
        forget: [B, C] logits of images of people to forget.
        forget_labels: [B].
        unseen: [V, C] logits of people never seen.
        unseen_labels: [V].
        weigh: multiply by 1 - a.

    >>> even, label = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
    >>> float(alignment_loss(even, label, even, label))
    0.0
    """

    def weighed(logits: Tensor, labels: Tensor) -> Tensor:
        wrong = (logits.detach().argmax(1) != labels).float().mean() if weigh else 1.0
        return wrong * F.cross_entropy(logits, labels)

    return F.smooth_l1_loss(weighed(forget, forget_labels), weighed(unseen, unseen_labels).detach())


def names_in(examples: Examples, column: str) -> list[str]:
    """Return who is on each image, by a column of numbers or text.

    Raises:
        InputError: there is no such column.
    """
    if column not in examples.columns:
        raise InputError(f"the examples have no column '{column}' that says who is seen; name another as identity")
    return [str(value.item() if isinstance(value, Tensor) else value) for value in examples[column]]
