"""The versions that numbers depend on, for records and evidence."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("lethe", "torch", "transformers", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the version of Python and of each of these packages that is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
