"""The law of a log-likelihood ratio: discrete atoms plus a Gaussian part (HRS, section 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ironbound.errors import wrong_value
from ironbound.laws._complement import complement_down, complement_up
from ironbound.laws._tails import Atoms, lower_dual, upper_dual
from ironbound.laws._witness import critical_point

Array = NDArray[np.float64]

# Largest deviation of the total masses of P and of Q from 1 that a law may have.
_MASS_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Law:
    """Law of log dQ/dP, where P is the noised clean input and Q the noised attacked input.

    The log-ratio is the sum of a discrete part, with atoms ell_i of mass p_i under P and q_i under Q,
    and of an independent Gaussian part N(-mu^2/2, mu^2) under P and N(+mu^2/2, mu^2) under Q.
    ell = -inf marks mass that only P has, ell = +inf mass that only Q has. Natural logarithms.

    Args:
        log_ratio: atoms ell_i, shape (m,), in increasing order.
        log_p: log-masses under P, shape (m,).
        log_q: log-masses under Q, shape (m,).
        mu: 2-norm of the continuous shift in units of the noise, >= 0.
        tolerance: bound on the relative error of each mass; added to the outward rounding.
    Raises:
        InputError: shapes differ, a mass sum differs from 1 by more than 1e-12, or mu is negative.

    Example:
        >>> from ironbound import laws
        >>> law = laws.compose(laws.mask(d=1, beta=0.9), laws.gaussian(mu=0.5))
        >>> bool(law.lower(0.99) <= 0.9 * 0.99 and law.upper(0.01) >= 0.1)
        True
    """

    log_ratio: Array
    log_p: Array
    log_q: Array
    mu: float = 0.0
    tolerance: float = 0.0
    masses: tuple[Array, Array] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.log_ratio, self.log_p, self.log_q)}
        if len(shapes) != 1 or self.log_ratio.ndim != 1:
            raise wrong_value("log_ratio, log_p, log_q", sorted(shapes), "three arrays of one shape (m,)")
        if not (0.0 <= self.mu < math.inf):
            raise wrong_value("mu", self.mu, "a finite number >= 0")
        if np.any(np.diff(self.log_ratio) < 0):
            raise wrong_value("log_ratio", self.log_ratio, "sorted in increasing order")
        for name, log_mass in (("P", self.log_p), ("Q", self.log_q)):
            total = float(np.exp(log_mass).sum())
            if not abs(total - 1.0) <= _MASS_TOLERANCE:
                raise wrong_value(f"the total mass of {name}", total, "1 within 1e-12")
        for array in (self.log_ratio, self.log_p, self.log_q):
            array.setflags(write=False)

    @cached_property
    def atoms(self) -> Atoms:
        """The masses in the linear form in which the bounds are evaluated."""
        p, q = self.masses if self.masses is not None else (np.exp(self.log_p), np.exp(self.log_q))
        return Atoms.build(self.log_ratio, p, q, self.tolerance)

    @overload
    def lower(self, p: float) -> float: ...
    @overload
    def lower(self, p: Array) -> Array: ...
    def lower(self, p: float | Array) -> float | Array:
        """Smallest attacked probability min { E_Q[h] : E_P[h] >= p }, rounded down (math notes, section 2).

        Args:
            p: lower bound on the clean probability, in [0, 1]; a float or an array of any shape.
        Returns:
            A float or an array of the same shape, never above the true value.
        Raises:
            InputError: an entry is outside [0, 1] or is NaN.
        """
        flat, shape = _probabilities(p)
        mu, s = np.full(flat.shape, self.mu), complement_up(flat)
        u = critical_point(self.atoms, mu, flat, s)
        return _reshape(lower_dual(self.atoms, u, mu, flat, s), shape)

    @overload
    def upper(self, p: float) -> float: ...
    @overload
    def upper(self, p: Array) -> Array: ...
    def upper(self, p: float | Array) -> float | Array:
        """Largest attacked probability max { E_Q[h] : E_P[h] <= p }, rounded up; 1 - lower(1 - p) exactly.

        Args:
            p: upper bound on the clean probability, in [0, 1]; a float or an array of any shape.
        Returns:
            A float or an array of the same shape, never below the true value.
        Raises:
            InputError: an entry is outside [0, 1] or is NaN.
        """
        flat, shape = _probabilities(p)
        mu, s = np.full(flat.shape, self.mu), complement_down(flat)
        u = critical_point(self.atoms, mu, s, flat)
        return _reshape(upper_dual(self.atoms, u, mu, flat, s), shape)

    def witness(self, p: float) -> float:
        """Dual variable u at which `dual(u, p)` attains `lower(p)`; store it and the bound can be re-checked.

        Example:
            >>> from ironbound import laws
            >>> law = laws.uniform_replacement(d=2, alphabet=100, beta=0.5)
            >>> law.dual(law.witness(0.9), 0.9) == law.lower(0.9)
            True
        """
        flat, _ = _probabilities(float(p))
        return float(critical_point(self.atoms, np.array([self.mu]), flat, complement_up(flat))[0])

    def dual(self, u: float, p: float) -> float:
        """V(u) + e^u (p - F(u)), rounded down: at most lower(p) for *every* real u (weak duality)."""
        flat, _ = _probabilities(float(p))
        at, mu = np.array([_finite(u)]), np.array([self.mu])
        return float(lower_dual(self.atoms, at, mu, flat, complement_up(flat))[0])

    def upper_witness(self, p: float) -> float:
        """Dual variable u at which `upper_dual(u, p)` attains `upper(p)`."""
        flat, _ = _probabilities(float(p))
        return float(critical_point(self.atoms, np.array([self.mu]), complement_down(flat), flat)[0])

    def upper_dual(self, u: float, p: float) -> float:
        """Q(ratio > u) + e^u (p - P(ratio > u)), rounded up: at least upper(p) for every real u."""
        flat, _ = _probabilities(float(p))
        at, mu = np.array([_finite(u)]), np.array([self.mu])
        return float(upper_dual(self.atoms, at, mu, flat, complement_down(flat))[0])


def _finite(u: float) -> float:
    if not math.isfinite(u):
        raise wrong_value("u", u, "a finite dual variable")
    return float(u)


def _probabilities(p: float | ArrayLike) -> tuple[Array, tuple[int, ...] | None]:
    array = np.asarray(p, dtype=np.float64)
    if not np.all((array >= 0.0) & (array <= 1.0)):
        raise wrong_value("p", p, "a probability in [0, 1]")
    return array.reshape(-1), (array.shape if isinstance(p, np.ndarray) or array.ndim else None)


def _reshape(values: Array, shape: tuple[int, ...] | None) -> float | Array:
    return float(values[0]) if shape is None else values.reshape(shape)
