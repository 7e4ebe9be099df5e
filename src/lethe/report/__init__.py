"""Self-contained HTML and plots."""
