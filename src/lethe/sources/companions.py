"""Companions: the small files beside a model's weights that say how it is fed, which an unlearned model needs too."""

from __future__ import annotations

from pathlib import Path

from lethe.sources.checkpoint import model_of
from lethe.sources.language import TOKENIZERS, base_of
from lethe.sources.preprocessing import FILE as PREPROCESSOR

FILES = (
    PREPROCESSOR,
    *TOKENIZERS,
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)


def companions(source: str) -> list[Path]:
    """Return these files of a model folder, a run folder, or a model of the hub that was loaded.

    Those that an adapter folder lacks are those of the model below it.
    """
    from huggingface_hub import try_to_load_from_cache

    source = model_of(source)
    if not Path(source).is_dir():
        cached = (try_to_load_from_cache(source, name) for name in FILES)
        return [Path(path) for path in cached if isinstance(path, str)]
    own = [Path(source) / name for name in FILES if (Path(source) / name).exists()]
    base = base_of(source)
    if base is None:
        return own
    names = {path.name for path in own}
    if names & {*TOKENIZERS}:
        # One tokenizer, not parts of two.
        return own
    return own + [path for path in companions(base) if path.name not in names]
