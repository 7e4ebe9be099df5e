"""Deletion that is exact or certified by construction: training is arranged so that it can be taken back."""
