"""Writing: prompts that a language model writes, once for all audited models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.auditing.measure import Measurements
from lethe.auditing.prompting.items import Beside, Item
from lethe.auditing.prompting.variant import Transform, Variant
from lethe.errors import AuditIncomplete
from lethe.generators import Asked, Instructed, TemplateWriter, Way, Writer, writer_of
from lethe.run import Run
from lethe.store import digest

REWRITINGS: Mapping[str, str] = {
    "reworded": "Ask the following question in other words, with the same meaning. Write the question alone.",
    "poem": "Write the following question as a poem of four lines that still asks it. Write the poem alone.",
    "plain_terms": "Ask the following question again, but explain each technical term instead of naming it. Write the "
    "question alone.",
    "variables": "Ask the following question again, but introduce a variable for each technical term (let X denote …) "
    "and use the variables in the question. Write the question alone.",
}
"""What a model is told to do with a question, by name of the rewriting."""

WAYS: tuple[Way, ...] = ("rephrased", "specific", "noisy", "simpler", "direct")


class Writing:
    """Has a model write, and remembers what it wrote.

    Args:
        generator: the folder or name of a language model that follows instructions, or a writer; empty for none.
        run: seed, and the device of the model.
        known: where what was written is kept.
        who: who needs it, for messages.
    """

    def __init__(self, generator: str | Writer, run: Run, known: Measurements, who: str) -> None:
        self._generator, self._run, self._known, self._who = generator, run, known, who
        self._loaded: Writer | None = None

    @property
    def templates(self) -> bool:
        """Whether patterns write, and no model."""
        patterns = isinstance(self._generator, TemplateWriter) and not isinstance(self._generator, Instructed)
        return self._generator == "template" or patterns

    @property
    def named(self) -> bool:
        """Whether the user has named anybody."""
        return self._generator != ""

    @property
    def follows(self) -> bool:
        """Whether somebody was named who follows instructions."""
        return self.named and not self.templates

    def require_model(self, what: str) -> None:
        """Raise AuditIncomplete where nobody who follows instructions was named."""
        if not self.follows:
            raise AuditIncomplete(
                f"{self._who}: {what}; name a language model that follows instructions with --generator "
                "(generator= in Python)"
            )

    def follow(self, instructions: Sequence[str]) -> list[str]:
        """Return what the model writes at each instruction.

        Raises:
            AuditIncomplete: nobody who follows instructions was named.
        """
        self.require_model("prompts have to be written by a model")
        generator = self._generator if isinstance(self._generator, str) else repr(self._generator)
        key = digest(["written", generator, self._run.seed, list(instructions)])
        found = self._known.recall(key)
        if found is None:
            writer = self._writer()
            if not isinstance(writer, Instructed):
                raise AuditIncomplete(f"{self._who}: {type(writer).__name__} follows no instructions; name a model")
            found = {}, {"texts": writer.follow(instructions, self._run.generator("written", self._who))}
            self._known.keep(key, *found)
        return list(found[1]["texts"])

    def ways(self, items: Sequence[Item]) -> dict[str, list[str]]:
        """Return the items' questions in each of the writer's ways."""
        asked = [Asked(item.prompt, item.answer) for item in items]
        draws = self._run.generator("ways", self._who)
        return {way: self._writer().questions(asked, way, draws) for way in WAYS}

    def _writer(self) -> Writer:
        if self._loaded is None:
            self._loaded = writer_of(self._generator, self._run.device, self._who)[0]
        return self._loaded


def looked_up(tag: str, items: Sequence[Item], prompts: Sequence[str]) -> Transform:
    """Return the transform from these items to prompts that were written for them."""
    prompt_of = {item.id: prompt for item, prompt in zip(items, prompts, strict=True)}

    def transform(item: Item, _: Beside) -> list[Variant]:
        return [Variant(tag, prompt_of[item.id], item.answer)]

    return transform


def missing(reason: str) -> Transform:
    """Return the transform that cannot be made, for this reason."""

    def transform(item: Item, _: Beside) -> list[Variant]:
        raise AuditIncomplete(reason)

    return transform
