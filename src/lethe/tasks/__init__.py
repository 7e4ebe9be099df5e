"""How one kind of model is fed and read, a file a kind."""

from lethe.tasks.base import Task, device_of, weighted_layers
from lethe.tasks.classification import Classification

__all__ = ["Classification", "Task", "device_of", "weighted_layers"]
