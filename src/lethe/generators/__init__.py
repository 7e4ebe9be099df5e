"""Who writes the texts that some methods train on: patterns, a language model, or whatever the user brings."""

from __future__ import annotations

import torch

from lethe.errors import ConfigurationError
from lethe.generators.base import Asked, Instructed, Judge, Way, Writer, asked_of
from lethe.generators.prompted import ModelWriter, load_writer
from lethe.generators.templates import TemplateWriter, WordJudge


def require_named(generator: str | Writer, who: str) -> None:
    """Raise ConfigurationError where the user has named no generator."""
    if generator == "":
        raise ConfigurationError(
            f"{who} needs somebody who writes its texts; set generator to the folder or name of a language model that "
            "follows instructions, or to 'template', which writes from patterns alone"
        )


def writer_of(generator: str | Writer, device: torch.device, who: str) -> tuple[Writer, Judge]:
    """Return the writer of that name, with a judge: the same model, or the words of the answer.

    Args:
        generator: `template`, a folder or name of a language model, or a writer.
        device: where a model works.
        who: the method, for messages.

    Raises:
        ConfigurationError: none is named, or it cannot be loaded.
    """
    require_named(generator, who)
    writer = generator if isinstance(generator, Writer) else TemplateWriter()
    if isinstance(generator, str) and generator != "template":
        writer = load_writer(generator, device)
    return writer, writer if isinstance(writer, Judge) else WordJudge()


__all__ = [
    "Asked",
    "Instructed",
    "Judge",
    "ModelWriter",
    "TemplateWriter",
    "Way",
    "WordJudge",
    "Writer",
    "asked_of",
    "require_named",
    "writer_of",
]
