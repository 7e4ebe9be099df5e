"""One self-contained HTML page about audited models: verdicts, table, plots, and what could not be shown."""

from lethe.report.page import write_report

__all__ = ["write_report"]
