"""Inputs: the paths and selections a run was asked for, as its record keeps them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lethe.errors import StorageError
from lethe.run import Precision
from lethe.sources.selection import is_list

# Left out of records where they are not used, so that those of image classifiers stay as they were.
_OF_TEXT = ("template", "columns", "too_long", "context")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a problem is made from; a run's record keeps it, so that the run can be audited later.

    Args:
        model: folder of the trained image classifier or language model, or its name on the hub.
        data: the training data; empty where `forget` and `retain` are files of text themselves.
        forget: what to forget: a file of ids or a filter, or a file of text.
        retain: what to keep: likewise; None keeps all of `data` that is not forgotten.
        holdout: data never trained on; None takes the data's own test split where there are images in one.
        gold: folders of models retrained without the forget set.
        template: how prompt and answer become text: `qa`, `chat`, `plain` or a pattern; empty chooses by tokenizer.
        columns: which columns are prompt and answer, as `prompt=question,answer=label`; empty finds them by name.
        too_long: what becomes of examples longer than the context: `error`, `drop` or `cut-prompt`.
        context: tokens of the longest example; 0 for all that the model reads.
        precision: that of the run; with `bf16` a language model is loaded in bfloat16.
    """

    model: str
    data: str = ""
    forget: str
    retain: str | None = None
    holdout: str | None = None
    gold: tuple[str, ...] = ()
    template: str = ""
    columns: str = ""
    too_long: str = "error"
    context: int = 0
    precision: Precision = "fp32"

    def absolute(self) -> Inputs:
        """Return the inputs with paths that mean the same from any working folder."""
        return dataclasses.replace(
            self,
            model=_absolute(self.model),
            data=_absolute(self.data),
            forget=_absolute(self.forget),
            retain=None if self.retain is None else _absolute(self.retain),
            holdout=None if self.holdout is None else _absolute(self.holdout),
            gold=tuple(map(_absolute, self.gold)),
        )

    def of_text(self) -> list[str]:
        """Return the options for text alone that were used."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return [name for name in _OF_TEXT if getattr(self, name) != defaults[name]]

    def as_dict(self) -> dict[str, Any]:
        """Return the inputs as plain data."""
        facts = {**dataclasses.asdict(self), "gold": list(self.gold)}
        unused = {*_OF_TEXT} - {*self.of_text()} | ({"precision"} if self.precision == "fp32" else set())
        return {name: value for name, value in facts.items() if name not in unused}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], where: str) -> Inputs:
        """Return the inputs that a record names; raises StorageError where it names none."""
        try:
            return cls(**{**facts, "gold": tuple(facts["gold"])})
        except (KeyError, TypeError):
            raise StorageError(
                f"{where}: does not say which model and data the run had; name them with --model, --original, --data "
                "and --forget"
            ) from None


def _absolute(text: str) -> str:
    if is_list(text) or os.path.exists(text):
        return os.path.abspath(text)
    # FOLDER:split names a part of a folder.
    folder, colon, part = text.partition(":")
    return f"{os.path.abspath(folder)}{colon}{part}" if colon and os.path.isdir(folder) else text
