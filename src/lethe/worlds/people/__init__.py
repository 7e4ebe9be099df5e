"""The world of fictitious people: facts about persons who do not exist, and tiny language models that know them."""

from lethe.worlds.people.world import People

__all__ = ["People"]
