"""Models and data from disk: Hugging Face classifiers, image folders, Parquet, NumPy archives, `datasets` folders."""

from lethe.sources.classifier import load_classifier, load_network
from lethe.sources.inputs import Inputs, assemble, load_like

__all__ = ["Inputs", "assemble", "load_classifier", "load_like", "load_network"]
