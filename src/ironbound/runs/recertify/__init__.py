"""New claims from the counts of a run, without its model: another alpha, threshold, form or budget."""

from __future__ import annotations

from ironbound.runs.recertify.change import Change
from ironbound.runs.recertify.folder import Recertified, recertify
from ironbound.runs.recertify.reclaim import reclaim

__all__ = ["Change", "Recertified", "recertify", "reclaim"]
