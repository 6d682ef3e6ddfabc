"""Laws of insertions, deletions and substitutions under deletion noise.

Deletion noise drops each token on its own with probability r and shows what is left, in order. Let z be a
common subsequence of the clean text x and the attacked text x', and call the other tokens of x and x' extra.

* With probability a = r^(|x| - |z|) the noise on x drops all of its extra tokens; what is left of z is then
  a draw of the noise on z. So P = a D(z) + (1 - a) P', and likewise Q = b D(z) + (1 - b) Q' with
  b = r^(|x'| - |z|).
* Consider the experiment with three outcomes, "only z" with probabilities (a, b), "more of x" with
  (1 - a, 0), "more of x'" with (0, 1 - b). Drawing from D(z), P', Q' on these outcomes turns it into (P, Q).
  So whatever a test does on (P, Q), another one does on the three outcomes: its law bounds every test, beside
  any other independent channels too (data processing; Blackwell's order is kept by products).
* Smaller a or b make the experiment more telling (send the mass that is lost back to "only z" with the right
  probability). j deletions and i insertions leave a common subsequence with at most j extra tokens in x and
  at most i in x', and a substitution is one of each. So the worst law has a = r^j, b = r^i, with j and i as
  large as the edits allow: the product of j positions `deleted` and i positions `inserted`.
* It is attained where each extra token is a symbol that the other text does not hold.

For one substitution this is the law of a mask shown with probability r. Related: RS-Del (Huang et al. 2023,
arXiv 2302.01757) proves the case without other channels, lower(p) = b/a (p - 1 + a).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from ironbound.errors import wrong_value
from ironbound.laws.constructors import positions_law
from ironbound.laws.law import Law
from ironbound.laws.positions import deleted, inserted

Operation = Literal["insert", "delete", "substitute"]
OPERATIONS: tuple[Operation, ...] = ("insert", "delete", "substitute")


def edit_laws(d: int, rate: float, *, length: int, operations: Sequence[str] = OPERATIONS) -> tuple[Law, ...]:
    """Laws among which the worst attack of d edits is found.

    Args:
        d: how many edits the attacker may make.
        rate: probability that the noise deletes a token, in (0, 1].
        length: number of tokens of the clean text; no more of them can be deleted or substituted.
        operations: the edits that are allowed, some of "insert", "delete", "substitute".
    Raises:
        InputError: d is negative, an operation is unknown, or there is none.

    Example:
        >>> (law,) = edit_laws(1, 0.9, length=5)
        >>> 0.9 * 0.99 - 0.1 < law.lower(0.99) <= 0.99 - 1 + 0.9  # RS-Del: b/a (p - 1 + a), here a = b = 0.9
        True
        >>> len(edit_laws(3, 0.9, length=5, operations=["insert", "delete"]))
        4
    """
    if not operations or any(one not in OPERATIONS for one in operations):
        raise wrong_value("operations", tuple(operations), f"some of {', '.join(OPERATIONS)}")
    if int(d) != d or d < 0:
        raise wrong_value("d", d, "a whole number of edits >= 0")
    return _edit_laws(int(d), float(rate), int(length), tuple(one in operations for one in OPERATIONS))


@lru_cache(maxsize=1024)
def _edit_laws(d: int, rate: float, length: int, allowed: tuple[bool, ...]) -> tuple[Law, ...]:
    pairs = extra_tokens(d, length, *allowed)
    return tuple(positions_law([(deleted(rate), j), (inserted(rate), i)]) for j, i in pairs)


def extra_tokens(
    d: int, length: int, insert: bool, delete: bool, substitute: bool
) -> tuple[tuple[int, int], ...]:
    """Pairs (tokens only in the clean text, tokens only in the attacked one) that no other pair exceeds.

    Example:
        >>> extra_tokens(2, 9, insert=True, delete=True, substitute=False)
        ((0, 2), (1, 1), (2, 0))
        >>> extra_tokens(3, 2, insert=True, delete=True, substitute=True)
        ((2, 3),)
    """
    at_most = min(d, length)
    if substitute:
        return ((at_most, d if insert else at_most),)
    if insert and delete:
        return tuple((j, d - j) for j in range(at_most + 1))
    return ((0, d),) if insert else ((at_most, 0),)
