"""Models and data from disk, in standard formats."""
