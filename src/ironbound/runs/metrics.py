"""From rows to the figures of a report: accuracies, certified shares, abstentions, draws, time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ironbound.certificate import Certificate
from ironbound.confidence import clopper_pearson_lower, clopper_pearson_upper
from ironbound.errors import InputError, InvalidCertificate
from ironbound.runs.store import Row

Budget = int | tuple[int, ...]

# Records hold no infinity: where no shift at all changes the class they claim the largest float.
_UNBOUNDED = 1e300

# Error probability of each end of the intervals around shares of inputs: two-sided 95 %.
INTERVAL_ALPHA = 0.025


@dataclass(frozen=True, slots=True)
class Entry:
    """What figures need of one input. The certificate itself stays in the run folder: there may be many.

    Attributes:
        row: the row, without the text of its certificate.
        readable: whether it has a certificate; exactly not for an error.
        prediction: the certificate's; `None` where it abstains or there is none.
        frontier: certified radius for each discrete budget; empty for an error.
    """

    row: Row
    readable: bool
    prediction: int | None
    frontier: Mapping[Budget, float | None]

    @classmethod
    def of(cls, row: Row, certificate: Certificate | None) -> Entry:
        """The entry of a row whose certificate has been read; `None` where there is no readable one."""
        bare = replace(row, certificate=None)
        if certificate is None:
            return cls(bare, False, None, {})
        return cls(bare, True, certificate.prediction, certificate.frontier)


@dataclass(frozen=True)
class Share:
    """`count` of `total` inputs, with a two-sided 95 % Clopper-Pearson interval (`None` if total is 0)."""

    count: int
    total: int
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, count: int, total: int) -> Share:
        """Compute the interval.

        Example:
            >>> share = Share.of(0, 10)
            >>> share.value, share.lower
            (0.0, 0.0)
        """
        if total == 0:
            return cls(0, 0, None, None)
        lower = float(clopper_pearson_lower(count, total, INTERVAL_ALPHA))
        return cls(count, total, lower, float(clopper_pearson_upper(count, total, INTERVAL_ALPHA)))

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.count / self.total if self.total else None

    def record(self) -> dict[str, Any]:
        """Plain values for `summary.json`."""
        return {
            "count": self.count,
            "total": self.total,
            "value": self.value,
            "lower": self.lower,
            "upper": self.upper,
        }


@dataclass(frozen=True)
class Summary:
    """The figures of a run. Shares of `labelled` inputs are accuracies; errors count as not correct.

    Attributes:
        requested, done, errors: inputs asked for; with a certificate; that failed.
        labelled: whether shares below are over labelled inputs and ask for the right class.
        accuracy: of the smoothed prediction on clean inputs. `None` without labels.
        base_accuracy: of the base classifier without noise. `None` without labels, or if it was not asked.
        abstained: share of inputs without a prediction.
        certified: for each budget and each radius of `radii` the share certified there (and right, if
            labelled).
        budgets: the discrete budgets, smallest first.
        radii: the grid, starting at 0; only 0 when no continuous channel is attacked.
        samples_mean, samples_max: noisy draws per input.
        stop_reasons: why no more noise was drawn -> number of inputs.
        seconds_mean, seconds_total: time.
    """

    requested: int
    done: int
    errors: int
    labelled: bool
    accuracy: Share | None
    base_accuracy: Share | None
    abstained: Share
    budgets: tuple[Budget, ...]
    radii: tuple[float, ...]
    certified: Mapping[Budget, tuple[Share, ...]]
    largest: Mapping[Budget, float | None]
    samples_mean: float | None
    samples_max: int | None
    seconds_mean: float | None
    seconds_total: float
    stop_reasons: Mapping[str, int] = field(default_factory=dict[str, int])

    def record(self) -> dict[str, Any]:
        """Plain, finite values for `summary.json`."""
        return {
            "requested": self.requested,
            "done": self.done,
            "errors": self.errors,
            "measure": "certified accuracy" if self.labelled else "certified share",
            "accuracy": None if self.accuracy is None else self.accuracy.record(),
            "base_accuracy": None if self.base_accuracy is None else self.base_accuracy.record(),
            "abstained": self.abstained.record(),
            "certified": [
                {"budget": list(d) if isinstance(d, tuple) else d, "radius": radius, **share.record()}
                for d, shares in self.certified.items()
                for radius, share in zip(self.radii, shares, strict=True)
            ],
            "largest_radius": [
                {"budget": list(d) if isinstance(d, tuple) else d, "radius": _finite(radius)}
                for d, radius in self.largest.items()
            ],
            "samples": {"mean": self.samples_mean, "max": self.samples_max},
            "stop_reasons": dict(self.stop_reasons),
            "seconds": {"mean": self.seconds_mean, "total": self.seconds_total},
        }


def read_entries(rows: Iterable[Row]) -> tuple[Entry, ...]:
    """Read the certificates of rows, one after another; a text that is no certificate certifies nothing."""
    return tuple(Entry.of(row, readable(row)) for row in rows)


def summarise(entries: Sequence[Entry], requested: int, radii: Sequence[float] = ()) -> Summary:
    """The figures of a run.

    Args:
        entries: the rows so far.
        requested: how many inputs were asked for.
        radii: grid of the table; chosen from the largest certified radius if empty.
    """
    labelled = [entry for entry in entries if entry.row.label is not None]
    counted = labelled or list(entries)
    budgets = tuple(sorted({d for entry in entries for d in entry.frontier}, key=_order))
    largest = {
        d: max((r for e in entries if (r := e.frontier.get(d)) is not None), default=None) for d in budgets
    }
    grid = _grid([r for r in largest.values() if r is not None], radii)
    good = [entry for entry in counted if _right(entry, bool(labelled))]
    done = [entry for entry in entries if entry.readable]
    samples = [entry.row.samples for entry in done]
    seconds = [entry.row.seconds for entry in entries]
    asked = [entry for entry in labelled if entry.row.base_prediction is not None]
    return Summary(
        requested=requested,
        done=len(done),
        errors=len(entries) - len(done),
        labelled=bool(labelled),
        accuracy=Share.of(len(good), len(labelled)) if labelled else None,
        base_accuracy=(
            Share.of(sum(e.row.base_prediction == e.row.label for e in asked), len(asked)) if asked else None
        ),
        abstained=Share.of(sum(entry.row.status == "abstained" for entry in entries), len(entries)),
        budgets=budgets,
        radii=grid,
        certified={
            d: tuple(Share.of(sum(_reaches(e, d, r) for e in good), len(counted)) for r in grid)
            for d in budgets
        },
        largest=largest,
        samples_mean=math.fsum(samples) / len(samples) if samples else None,
        samples_max=max(samples, default=None),
        seconds_mean=math.fsum(seconds) / len(seconds) if seconds else None,
        seconds_total=math.fsum(seconds),
        stop_reasons=dict(sorted(Counter(e.row.stop_reason for e in done if e.row.stop_reason).items())),
    )


def curve(entries: Sequence[Entry], budget: Budget) -> list[float]:
    """Radii at which inputs that count stop being certified, ascending: the steps of the curve.

    An input counts if it is predicted (rightly, where labels are known) and certified at this budget.
    """
    labelled = any(entry.row.label is not None for entry in entries)
    found = [entry.frontier.get(budget) for entry in entries if _right(entry, labelled)]
    return sorted(radius for radius in found if radius is not None)


def readable(row: Row) -> Certificate | None:
    """The certificate of a row, or `None` where there is none that can be read."""
    if row.certificate is None:
        return None
    try:
        return Certificate.from_json(row.certificate)
    except (InvalidCertificate, InputError):
        # What is wrong with it is the business of `ironbound verify`; here it certifies nothing.
        return None


def _right(entry: Entry, labelled: bool) -> bool:
    if entry.prediction is None:
        return False
    return not labelled or entry.prediction == entry.row.label


def _reaches(entry: Entry, budget: Budget, radius: float) -> bool:
    certified = entry.frontier.get(budget)
    return certified is not None and certified >= radius


def _order(budget: Budget) -> tuple[int, ...]:
    return (sum(budget), *budget) if isinstance(budget, tuple) else (budget,)


def _grid(largest: Sequence[float], radii: Sequence[float]) -> tuple[float, ...]:
    """0 and the radii given, or about six round steps up to the largest certified radius."""
    if radii:
        return tuple(sorted({0.0, *map(float, radii)}))
    top = max((r for r in largest if bounded(r)), default=0.0)
    if not top > 0.0:
        return (0.0,)
    exponent = math.floor(math.log10(top / 6))
    step = next(m for m in (1, 2, 2.5, 5, 10, 20) if m * 10.0**exponent >= top / 6)
    # Multiples through decimal text, so that 3 * 0.1 is written 0.3.
    return tuple(
        float(f"{i * step * 10.0**exponent:.12g}") for i in range(int(top / (step * 10.0**exponent)) + 1)
    )


def bounded(radius: float) -> bool:
    """Whether a radius is a length, and not the statement that no shift changes the class.

    Example:
        >>> bounded(0.5), bounded(float("inf")), bounded(1.7976931348623157e308)
        (True, False, False)
    """
    return radius < _UNBOUNDED


def _finite(radius: float | None) -> float | None:
    return radius if radius is not None and bounded(radius) else None
