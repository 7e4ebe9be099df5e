"""Published data sets with their protocol and metrics."""
