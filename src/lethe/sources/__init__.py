"""Models and data from disk or the hub: image classifiers with labelled images, language models with texts."""

from lethe.sources.assembly import assemble, load_like, settled
from lethe.sources.checkpoint import model_of
from lethe.sources.classifier import load_classifier, load_network
from lethe.sources.companions import companions
from lethe.sources.inputs import Inputs
from lethe.sources.language import LanguageModel, load_language_model

__all__ = [
    "Inputs",
    "LanguageModel",
    "assemble",
    "companions",
    "load_classifier",
    "load_language_model",
    "load_like",
    "load_network",
    "model_of",
    "settled",
]
