"""Models and data from disk: Hugging Face classifiers, image folders, Parquet, NumPy archives, `datasets` folders."""

from lethe.sources.classifier import load_classifier, load_network, model_of
from lethe.sources.inputs import Inputs, assemble, load_like
from lethe.sources.preprocessing import preprocessor_file

__all__ = ["Inputs", "assemble", "load_classifier", "load_like", "load_network", "model_of", "preprocessor_file"]
