"""How one kind of model is fed and read, a file a kind."""

from lethe.tasks.base import Task, device_of, weighted_layers
from lethe.tasks.causal_lm import CausalLM, as_causal_lm
from lethe.tasks.classification import Classification, as_classification
from lethe.tasks.regression import Regression, as_regression
from lethe.tasks.templates import Chat, Custom, PlainText, QuestionAnswer, Template
from lethe.tasks.zero_shot import ZeroShot

__all__ = [
    "CausalLM",
    "Chat",
    "Classification",
    "Custom",
    "PlainText",
    "QuestionAnswer",
    "Regression",
    "Task",
    "Template",
    "ZeroShot",
    "as_causal_lm",
    "as_classification",
    "as_regression",
    "device_of",
    "weighted_layers",
]
