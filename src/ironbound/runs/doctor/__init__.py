"""Looks at a task or a configuration before any work: will it run, what can it prove, what will it cost?"""

from __future__ import annotations

from ironbound.runs.doctor.diagnose import Diagnosis, diagnose
from ironbound.runs.doctor.findings import Finding
from ironbound.runs.doctor.forecast import Forecast

__all__ = ["Diagnosis", "Finding", "Forecast", "diagnose"]
