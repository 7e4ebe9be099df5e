"""Problem: what is to be forgotten, from what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from lethe.errors import ConfigurationError, InputError
from lethe.examples import Examples
from lethe.models import check_finite, fingerprint
from lethe.tasks import Task

Retrain = Callable[[Examples, int], nn.Module]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be forgotten, from what.

    Args:
        model: the trained model; no method changes it in place.
        task: how its batches are fed and read.
        forget: the examples to forget.
        retain: the examples, or a sample of those, that must be kept; some methods need none.
        holdout: examples of the same distribution that were never trained on; audits need them.
        retrain: (examples, seed) -> model, trained from scratch on those examples: how gold is made.
        gold: models already retrained without the forget set, each from another seed.
    """

    model: nn.Module
    task: Task
    forget: Examples
    retain: Examples | None = None
    holdout: Examples | None = None
    retrain: Retrain | None = None
    gold: tuple[nn.Module, ...] = ()

    @property
    def parts(self) -> frozenset[str]:
        """The names of the optional parts that are there."""
        optional = {"retain": self.retain, "holdout": self.holdout, "retrain": self.retrain, "gold": self.gold or None}
        return frozenset(name for name, value in optional.items() if value is not None)

    def require(self, needs: frozenset[str], who: str) -> None:
        """Raise ConfigurationError where a part that `who` needs is missing."""
        missing = sorted(needs - self.parts)
        if missing:
            raise ConfigurationError(
                f"{who} needs {' and '.join(missing)}, which this problem lacks; {_MEND[missing[0]]}"
            )

    @property
    def kept(self) -> Examples:
        """The retain set, for methods that declared they need it."""
        if self.retain is None:
            raise ConfigurationError(f"there is no retain set; {_MEND['retain']}")
        return self.retain

    def check(self) -> None:
        """Raise InputError, in one line, for whatever would make a run on this problem meaningless."""
        if len(self.forget) == 0:
            raise InputError("the forget set is empty; name at least one example to forget")
        if self.retain is not None and len(self.retain) == 0:
            raise InputError("the retain set is empty: everything is to be forgotten; keep some examples or train anew")
        sets = {"forget": self.forget, "retain": self.retain, "holdout": self.holdout}
        named = [(name, examples) for name, examples in sets.items() if examples is not None]
        for i, (name, examples) in enumerate(named):
            self.task.check(examples, f"{name} set")
            for other, others in named[i + 1 :]:
                both = examples.position.keys() & others.position.keys()
                if both:
                    raise InputError(
                        f"{len(both)} examples are in the {name} set and in the {other} set (for one '{min(both)}'); "
                        "an example belongs to one of them"
                    )
        check_finite(self.model, "original model")

    def fingerprint(self) -> dict[str, str | None]:
        """Return the hashes of the model and of each set of examples, for records and evidence."""
        return {
            "model": fingerprint(self.model),
            "forget": self.forget.fingerprint,
            "retain": self.retain.fingerprint if self.retain is not None else None,
            "holdout": self.holdout.fingerprint if self.holdout is not None else None,
        }


_MEND = {
    "retain": "give Problem(retain=...), or --retain, or the whole training data with --data",
    "holdout": "give Problem(holdout=...), or --holdout",
    "retrain": "give Problem(retrain=...)",
    "gold": "give Problem(gold=...), or --gold",
}
