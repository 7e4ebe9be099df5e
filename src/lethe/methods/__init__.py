"""The published systems, a file each, by what they do to the model."""
