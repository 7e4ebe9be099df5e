"""Grids: methods × settings × seeds, each run once, tuned alike, resumed where they stopped."""
