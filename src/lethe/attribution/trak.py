"""TRAK: attribution of logits by projected gradients, with the library traker (`pip install 'lethe[traker]'`)."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from lethe.attribution.datamodels import SubsetModel, fitted_scale, outputs_of
from lethe.errors import ConfigurationError
from lethe.examples import Examples
from lethe.losses import margin
from lethe.models import copied
from lethe.run import Run
from lethe.tasks import Classification

BATCH = 64
MARGIN = -1


def trak_effects(
    models: Sequence[SubsetModel], task: Classification, training: Examples, removed: Tensor, targets: Examples,
    projection: int, ridge: float, run: Run,
) -> Tensor:  # fmt: skip
    """Return Σ_{j∈F} A_j for the logits of the targets, [N, C], A by TRAK over an ensemble.

    A_jic = s · mean over models of ∇f_c(x_i)ᵀ P (Φᵀ Φ + ρ I)⁻¹ Pᵀ ∇m_j · (1 - p_j), m the margin and p the probability
    of the label, P a Gaussian projection. TRAK leaves the scale s open: it is the one with which the sums over what
    each model saw fit what that model puts out.

    Args:
        models: trained on subsets, so that examples are also seen by models that did not memorise them.
        task: how they are fed.
        training: n examples.
        removed: [n] boolean, F.
        targets: N examples.
        projection: dimension of the projected gradients.
        ridge: ρ, relative to the mean diagonal of Φᵀ Φ.
        run: seed and device.

    Raises:
        ConfigurationError: traker is not installed.

    Source: Park et al. 2023, arXiv:2303.14186, eq. 15-17.
    """
    scores = torch.from_numpy(_scores(models, task, training, targets, projection, ridge, run)).double()
    table = scores.view(len(training), len(targets), task.classes)
    predicted = torch.stack([table[one.rows].sum(0) for one in models])
    scale = fitted_scale(predicted, outputs_of(models, task, targets, run))
    return (scale * table[removed].sum(0)).float()


def _scores(
    models: Sequence[SubsetModel], task: Classification, training: Examples, targets: Examples, projection: int,
    ridge: float, run: Run,
) -> Any:  # fmt: skip
    """Return TRAK's scores, [n, N C] float32."""
    try:
        from trak import TRAKer
        from trak.score_computers import BasicScoreComputer
    except ImportError:
        raise ConfigurationError("attribution=trak needs traker: pip install 'lethe[traker]'") from None

    class Relative(BasicScoreComputer):  # type: ignore[misc]
        """The same with a ridge in units of the mean diagonal, so that one value fits all models."""

        def get_x_xtx_inv(self, grads: Tensor, xtx: Tensor) -> Tensor:
            self.lambda_reg = ridge * float(xtx.diagonal().mean())
            return cast("Tensor", super().get_x_xtx_inv(grads, xtx))

    pairs = len(targets) * task.classes
    model = copied(models[0].model).to(run.device)
    # traker writes its own progress bars to stderr.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()), _differentiable():
        traker = TRAKer(
            model=model, task=_output(task), train_set_size=len(training), save_dir=folder, device=str(run.device),
            proj_dim=projection, projector_seed=run.key("projection") % 2**31, use_half_precision=False,
            score_computer=Relative, logging_level=50,
        )  # fmt: skip
        states = [{name: value.clone() for name, value in one.model.state_dict().items()} for one in models]
        for number, state in enumerate(states):
            traker.load_checkpoint(state, model_id=number)
            for batch in _training_batches(task, training, run):
                traker.featurize(batch=batch, num_samples=len(batch[0]))
        traker.finalize_features()
        for number, state in enumerate(states):
            traker.start_scoring_checkpoint("targets", state, number, pairs)
            for batch in _target_batches(task, targets, run):
                traker.score(batch=batch, num_samples=len(batch[0]))
        return traker.finalize_scores("targets").copy()


def _training_batches(task: Classification, examples: Examples, run: Run) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for batch in examples.batches(BATCH):
        run.interrupt_point()
        moved = batch.to(run.device)
        labels = task.labels(moved)
        yield task.normalise(task.pixels(moved)), labels, torch.full_like(labels, MARGIN)


def _target_batches(task: Classification, examples: Examples, run: Run) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield every example once for each class: the last entry says which logit is meant."""
    for rows in torch.arange(len(examples) * task.classes).split(BATCH):
        run.interrupt_point()
        moved = examples.batch(rows // task.classes).to(run.device)
        yield task.normalise(task.pixels(moved)), task.labels(moved), (rows % task.classes).to(run.device)


def _output(task: Classification) -> Any:
    from trak.modelout_functions import AbstractModelOutput

    class Logits(AbstractModelOutput):  # type: ignore[misc]
        """The margin of training examples, a logit of targets."""

        def __init__(self) -> None:
            """Nothing to set up."""

        def get_output(
            self, model: nn.Module, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor,
            label: Tensor, which: Tensor,
        ) -> Tensor:  # fmt: skip
            logits = _logits(task, model, weights, buffers, inputs.unsqueeze(0))
            single = logits.gather(1, which.clamp_min(0).view(1, 1)).squeeze()
            return torch.where(which == MARGIN, margin(logits, label.view(1)).squeeze(), single)

        def get_out_to_loss_grad(
            self, model: nn.Module, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor],
            batch: tuple[Tensor, Tensor, Tensor],
        ) -> Tensor:  # fmt: skip
            with torch.no_grad():
                probabilities = _logits(task, model, weights, buffers, batch[0]).softmax(-1)
            return 1 - probabilities.gather(1, batch[1].unsqueeze(1))

    return Logits()


def _logits(
    task: Classification, model: nn.Module, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor
) -> Tensor:
    def call(values: Tensor) -> Any:
        return functional_call(model, (dict(weights), dict(buffers)), (values,))

    return task.logits(cast("nn.Module", call), inputs)


@contextlib.contextmanager
def _differentiable() -> Iterator[None]:
    # The fused attention kernels have no batching rule.
    with sdpa_kernel(SDPBackend.MATH):
        yield
