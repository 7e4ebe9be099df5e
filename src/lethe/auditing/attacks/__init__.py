"""Attacks: try to bring it back."""
