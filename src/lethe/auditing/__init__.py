"""Measure and attack a model, and set it beside the original and the gold models."""

from lethe.auditing.auditor import Auditor
from lethe.auditing.evidence import OUTCOMES, Entry, Evidence, Verdict
from lethe.auditing.plan import Audit, audit

__all__ = ["OUTCOMES", "Audit", "Auditor", "Entry", "Evidence", "Verdict", "audit"]
