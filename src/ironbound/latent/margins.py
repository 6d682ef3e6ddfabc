"""Closed-form margins: cheap radii that need Lipschitz constants only.

All of them are lower bounds on the exact radius (math: GML, section "Ellips"; a function that is L-Lipschitz
moves by at most L |d| under a shift d).
"""

from __future__ import annotations

import numpy as np

from ironbound.latent._rounding import UNIT, Array


def lipschitz_margin(gap: Array, own: Array | float, rival: Array | float) -> Array:
    """(s_j - s_k) / (L_k + L_j) for scores of which the lowest wins; rounded down, 0 where gap <= 0 or nan.

    Args:
        gap: s_j - s_k, a lower bound. own, rival: Lipschitz constants L_k, L_j, upper bounds.

    Example:
        >>> bool(0.4999999 < lipschitz_margin(np.array(1.0), 1.0, 1.0) <= 0.5)
        True
    """
    with np.errstate(all="ignore"):
        radius = np.asarray(gap / (np.asarray(own) + np.asarray(rival))) * (1.0 - 4.0 * UNIT)
    return np.where(np.asarray(gap) > 0.0, radius, 0.0)


def quadratic_margin(
    own: Array, rival: Array, offset: Array, own_lipschitz: Array | float, rival_lipschitz: Array | float
) -> Array:
    """Largest r with (m_j - r L_j)^2 - (m_k + r L_k)^2 + o > 0 on [0, r], for lengths m_k, m_j >= 0.

    While it holds, q_k = m_k^2 + o_k stays below q_j = m_j^2 + o_j for every shift of length r. The
    difference grows with m_j and falls with m_k, so that a lower bound on m_j and an upper bound on m_k make
    the result a lower bound; it is rounded down by 1e-12 of itself.

    Args:
        own: m_k = |F_k^T(z - mu_k)|. rival: m_j. offset: o = o_j - o_k. own_lipschitz, rival_lipschitz: upper
            bounds L_k, L_j on the spectral norms of F_k and F_j. All broadcast together.

    Example:
        >>> r = quadratic_margin(np.array(1.0), np.array(2.0), np.array(0.0), 1.0, 1.0)
        >>> bool(0.49999999 < r <= 0.5)
        True
    """
    lk, lj = np.asarray(own_lipschitz), np.asarray(rival_lipschitz)
    with np.errstate(all="ignore"):
        c = (rival - own) * (rival + own) + offset
        c = c - 8.0 * UNIT * (rival * rival + own * own + np.abs(offset))
        half = rival * lj + own * lk
        product = (lj - lk) * (lj + lk) * c
        inside = half * half - product
        doubt = 16.0 * UNIT * (half * half + np.abs(product))
        root = c / (half + np.sqrt(np.maximum(inside + doubt, 0.0)))
        edge = rival / lj  # where the rival's length may have reached 0
        beyond = np.maximum((np.sqrt(np.maximum(offset, 0.0)) * (1.0 - 1e-12) - own) / lk, edge)
        # Without a root up to the edge the difference stays positive there; a doubtful root counts as one.
        rooted = (inside >= -1e-9 * half * half) & (root <= edge * (1.0 + 1e-9))
        radius = np.where(rooted, np.minimum(root, edge), beyond) * (1.0 - 1e-12)
    return np.where((c > 0.0) & (radius > 0.0), radius, 0.0)
