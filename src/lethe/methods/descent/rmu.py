"""RMU: send the hidden states of forget text to a random vector in the middle of the model, and hold all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lethe import hooks, losses
from lethe.descent import Objective
from lethe.errors import ConfigurationError
from lethe.examples import Batch
from lethe.feeds import Draw, Rows
from lethe.measuring import evaluation, over_examples
from lethe.methods.descent.language import ForgetTerm, LanguageDescent, RetainTerm, forgotten
from lethe.problem import Problem
from lethe.run import Run
from lethe.scopes import Scope
from lethe.scopes.blocks import Blocks
from lethe.tasks import CausalLM, as_causal_lm


@dataclass(frozen=True, kw_only=True)
class RMU(LanguageDescent):
    """Representation misdirection (RMU): min ‖h_θ(x_f) - c·u‖² + α ‖h_θ(x_r) - h_0(x_r)‖², h the output of block ℓ.

    u is a random unit vector in the positive orthant, the same in every step and in every run of a seed
    (`RMU.control`). Both distances are divided by the width of h and averaged over the tokens of each text, padding
    left out. Nothing behind block ℓ runs or is trained: by default the down projections of blocks ℓ-2 to ℓ move.

    c has to exceed the usual norm of h_0 clearly; with less nothing is forgotten although the loss looks fine, so that
    is refused. Adaptive RMU takes β·‖h_0(x_f)‖ in the place of c, for each text, which makes later blocks work too.

    Args:
        layer: ℓ, number of the block whose output is moved, from 0.
        length: c, the length of the control vector.
        adaptive: take the length from each text's own median norm (Adaptive RMU).
        scale: β of Adaptive RMU.
        trained_blocks: blocks that may move, of which ℓ is the last; 0 leaves the choice to the scope alone.
        modules: the modules of these blocks that may move.
        positions: `all` moves every token of a text, `answer` those of its answer, as open-unlearning does.
        target: what a retain text is held to: `activations`, the original's, or `outputs`, as the option `retain` says.
        most_steps: steps after which the run ends, within its last epoch as well; 0 for no limit.
        allow_short: run with a c below the usual norm of the activations, to see that nothing is forgotten.

    Source: Li et al. 2024, WMDP, arXiv:2403.03218; adaptive: Dang et al. 2024, arXiv:2408.06223.
    """

    aims: ClassVar[str] = "suppression"

    epochs: int = 1
    batch_size: int = 4
    learning_rate: float = 5e-5
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    retain_weight: float = 1200.0
    layer: int = 7
    length: float = 6.5
    adaptive: bool = False
    scale: float = 5.0
    trained_blocks: int = 3
    modules: tuple[str, ...] = ("mlp.down_proj",)
    positions: hooks.Positions = "all"
    target: Literal["activations", "outputs"] = "activations"
    most_steps: int = 150
    allow_short: bool = False

    def check(self) -> None:
        """Raise ConfigurationError where a number is out of range."""
        super().check()
        if self.layer < 0 or self.trained_blocks < 0 or self.most_steps < 0:
            raise ConfigurationError("layer, trained_blocks and most_steps must not be negative")
        if not (self.length > 0 and self.scale > 0):
            raise ConfigurationError("length and scale of the control vector must be positive")

    def reach(self) -> Scope:
        """The down projections of the blocks up to ℓ, within the user's scope."""
        if not self.trained_blocks:
            return self.scope
        first = max(0, self.layer - self.trained_blocks + 1)
        return self.scope & Blocks(tuple(range(first, self.layer + 1)), self.modules)

    def plan(self, problem: Problem, run: Run, epoch: int) -> Sequence[Rows]:
        """The batches of an epoch, as far as the limit on steps allows."""
        every = super().plan(problem, run, epoch)
        return every[: max(0, self.most_steps - epoch * len(every))] if self.most_steps else every

    def control(self, problem: Problem, run: Run) -> Tensor:
        """Return the control vector c·u (of length 1 where it is adaptive), [D]: the same whenever it is asked for."""
        config: Any = problem.model.config
        return losses.control_vector(
            config.hidden_size, 1.0 if self.adaptive else self.length, run.generator("control vector")
        )

    def objective(self, problem: Problem, run: Run) -> Objective:
        """Return the distance to the control vector, and that to the original's activations."""
        if self.target == "outputs" or self.retain == "none":
            return super().objective(problem, run)
        task = as_causal_lm(problem.task, type(self).__name__)
        forget, held = self.forget_term(problem, task, run), self.retain_distance(problem.model, task)

        def terms(model: nn.Module, draw: Draw) -> Mapping[str, Tensor]:
            assert draw.retain is not None
            return {
                "forget": self.forget_weight * forget(model, draw),
                "retain": self.retain_weight * held(model, draw.retain),
            }

        return terms

    def forget_term(self, problem: Problem, task: CausalLM, run: Run) -> ForgetTerm:
        """Return the distance of each forget text to the control vector, [B]."""
        vector = self.control(problem, run).to(run.device)
        norms = self._norms(problem, task, run)
        if not self.adaptive and not self.allow_short:
            self._require_long(norms)
        per_text = self.scale * norms.to(run.device) if self.adaptive else None

        def term(model: nn.Module, draw: Draw) -> Tensor:
            batch = forgotten(draw)
            hidden = hooks.hidden_states(model, task, batch, self.layer)
            if torch.is_grad_enabled() and not hidden.requires_grad:
                raise ConfigurationError(
                    f"the scope leaves no weight to move up to block {self.layer}, and RMU reaches no later one; "
                    "choose a larger scope"
                )
            values, rows = hooks.at(hidden, hooks.places(batch, self.positions))
            aim = vector if per_text is None else vector * per_text[batch.rows.to(rows.device)][rows].unsqueeze(1)
            return losses.activation_loss(values, aim, rows, len(batch))

        return term

    def retain_distance(self, original: nn.Module, task: CausalLM) -> RetainTerm:
        """Return (model, retain batch) -> distance of each text's activations to the original's, [B]."""

        def distance(model: nn.Module, batch: Batch) -> Tensor:
            where = hooks.places(batch, self.positions)
            with evaluation(original):
                aim, _ = hooks.at(hooks.hidden_states(original, task, batch, self.layer), where)
            values, rows = hooks.at(hooks.hidden_states(model, task, batch, self.layer), where)
            return losses.activation_loss(values, aim, rows, len(batch))

        return distance

    def _norms(self, problem: Problem, task: CausalLM, run: Run) -> Tensor:
        """Return the median norm of the original's activations over each forget text, [N].

        Not the mean: the first token of a text often has a norm many times that of the others.
        """

        def read(model: nn.Module, batch: Batch) -> Tensor:
            values, rows = hooks.at(
                hooks.hidden_states(model, task, batch, self.layer), hooks.places(batch, self.positions)
            )
            return torch.stack([values[rows == i].float().norm(dim=-1).median() for i in range(len(batch))])

        return over_examples(problem.model, task, problem.forget, run, read, "activations")

    def _require_long(self, norms: Tensor) -> None:
        usual = float(norms.median())
        if self.length <= usual:
            raise ConfigurationError(
                f"length={self.length:g} does not exceed the usual norm {usual:.3g} of block {self.layer}'s output, so "
                f"nothing would be forgotten; take several times that norm, or adaptive=true"
            )
