"""How one kind of model is fed and read, a file a kind."""

from lethe.tasks.base import Task, device_of, weighted_layers
from lethe.tasks.classification import Classification, as_classification

__all__ = ["Classification", "Task", "as_classification", "device_of", "weighted_layers"]
