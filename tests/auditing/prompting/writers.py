"""Writers whose texts can be told in advance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lethe.generators import Asked, Instructed, Judge, TemplateWriter


@dataclass(frozen=True)
class Echo(TemplateWriter, Instructed):
    """Writes the last line of an instruction, without the word before its colon."""

    def follow(self, instructions: Sequence[str], generator: torch.Generator) -> list[str]:
        """Return the last line of each."""
        return [text.splitlines()[-1].partition(": ")[2] for text in instructions]


@dataclass(frozen=True)
class Lenient(Judge):
    """Finds a leak in every text that is not empty."""

    def leaks(self, asked: Sequence[Asked], said: Sequence[str]) -> list[bool]:
        """Return whether anything was said."""
        return [bool(text) for text in said]
