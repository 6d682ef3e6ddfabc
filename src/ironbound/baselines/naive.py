"""The product of one-channel certificates, which is no certificate.

A radius found with the text fixed and a budget found with the image fixed do not hold together: each of the
two attackers was assumed not to touch the other channel. The type says so, and there is no way from here to a
`Certificate`. `ironbound reproduce naive-product` shows attacked inputs that the product calls safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ironbound.certificate import Certificate
from ironbound.errors import InputError, wrong_value


@dataclass(frozen=True)
class NaiveProduct:
    """What somebody would believe who put an image-only and a text-only certificate side by side.

    Attributes:
        prediction: the class of both, or None where they differ or one abstains.
        radius: of the continuous channel alone, None where nothing is certified.
        budget: of the discrete channel alone, -1 where nothing is certified.
    """

    prediction: int | None
    radius: float | None
    budget: int
    status: ClassVar[str] = "estimated"

    def calls_safe(self, radius: float, budget: int) -> bool:
        """Whether the product lets an attacker of both budgets pass as harmless; not to be trusted.

        Example:
            >>> NaiveProduct(1, 0.4, 2).calls_safe(0.3, 2), NaiveProduct(1, 0.4, 2).calls_safe(0.5, 0)
            (True, False)
        """
        return (
            self.prediction is not None
            and self.radius is not None
            and radius <= self.radius
            and budget <= self.budget
        )


def naive_product(continuous: Certificate, discrete: Certificate) -> NaiveProduct:
    """Put two one-channel certificates of the same input side by side.

    Args:
        continuous: of a continuous channel alone.
        discrete: of a discrete channel alone.
    Raises:
        InputError: they speak of different inputs, or one of them is not about one channel of its kind.
    """
    if continuous.input_id != discrete.input_id:
        raise wrong_value("input_id", (continuous.input_id, discrete.input_id), "the same in both")
    if set(continuous.frontier) != {0} or any(not isinstance(d, int) for d in discrete.frontier):
        raise InputError("continuous must attack one continuous channel alone, discrete a discrete one")
    same = continuous.prediction == discrete.prediction
    reached = [d for d, found in discrete.frontier.items() if found is not None and isinstance(d, int)]
    return NaiveProduct(
        prediction=continuous.prediction if same else None,
        radius=continuous.frontier[0],
        budget=max(reached, default=-1),
    )
