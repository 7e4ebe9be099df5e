"""The keys and values that a language model keeps while it generates, with room for those to come."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

GROWTH = 1.5


class RoomyLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """A layer of a dynamic cache that writes new keys and values behind the old ones instead of copying all of them.

    Args:
        layer: what was kept so far; not to be used any more.
    """

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self.keys, self.values = layer.keys, layer.values
        self._room: tuple[Tensor, Tensor] = (self.keys, self.values)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append keys and values, [b, H, t, d], and return all."""
        before, now = self.keys.shape[-2], self.keys.shape[-2] + key_states.shape[-2]
        if now > self._room[0].shape[-2]:
            self._room = (_roomier(self.keys, now), _roomier(self.values, now))
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[..., before:now, :] = new
        self.keys, self.values = (room[..., :now, :] for room in self._room)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows of the batch."""
        super().batch_select_indices(indices)
        self._room = (self.keys, self.values)


def with_room(cache: Any) -> Any:
    """Return the cache with room in its plain layers; a cache of another kind as it is."""
    if isinstance(cache, DynamicCache):
        cache.layers = [RoomyLayer(layer) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _roomier(kept: Tensor, needed: int) -> Tensor:
    room = kept.new_empty(*kept.shape[:-2], max(needed, int(GROWTH * kept.shape[-2])), kept.shape[-1])
    room[..., : kept.shape[-2], :] = kept
    return room
