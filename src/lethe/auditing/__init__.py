"""Measure and attack a model, and set it beside the original and the gold models."""

from lethe.auditing.audit import Audit, audit
from lethe.auditing.auditor import Auditor
from lethe.auditing.evidence import Entry, Evidence, Verdict

__all__ = ["Audit", "Auditor", "Entry", "Evidence", "Verdict", "audit"]
