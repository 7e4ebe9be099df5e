"""Metrics: pure functions on what was measured."""
