"""Streams: deletion requests that arrive one after the other, and what becomes of a model that answers them."""
