"""Measure and attack a model, and set it beside the original and the gold models."""
