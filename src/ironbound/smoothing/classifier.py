"""`SmoothedClassifier`: a base classifier under noise, and its certificates."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.certificate import Calibration, Certificate
from ironbound.channels import Smoothing
from ironbound.errors import InputTypeError, wrong_value
from ironbound.models.base import as_base
from ironbound.smoothing import estimate, per_budget, streams
from ironbound.smoothing.batches import count
from ironbound.smoothing.calibrated import check_noise
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.job import Callback, job
from ironbound.smoothing.predict import decide
from ironbound.smoothing.repeatable import Repeatability, Unrepeatable, act_on, examine
from ironbound.smoothing.rules import Rivals, Rules
from ironbound.smoothing.scheduler import alone
from ironbound.smoothing.shared import SharedNoise
from ironbound.smoothing.statistics import Statistics, Stop
from ironbound.smoothing.statistics import Target as Amounts
from ironbound.smoothing.streams import Inputs
from ironbound.smoothing.tuning import best_batch_size
from ironbound.smoothing.underway import Job, Outcome
from ironbound.smoothing.voting import Reading, Voters
from ironbound.threats import Threat


def _halved(size: int) -> None:
    warnings.warn(f"out of memory: batches now hold {size} draws", RuntimeWarning, stacklevel=2)


class SmoothedClassifier:
    """The classifier that answers what its base answers most often (or often enough) under noise.

    Args:
        base: any callable from a dict of batched channels to labels (B,) or scores (B, C); see
            `ironbound.models.BaseClassifier`. A torch module is wrapped: its `forward` takes the dict.
        smoothing: the noise on each channel; it is added outermost, in the user's units.
        num_classes: C >= 2.
        threshold: for 2 classes: class `positive` is the answer when its probability under noise exceeds
            this, else the other class; the selection draws pick by the same rule. Majority if left out.
        positive: the class that `threshold` is about.
        rivals: "complement" proves that the prediction keeps more than half of all votes; "bonferroni" also
            bounds each rival from above, with its own share of alpha. Default: complement for 2 classes.
        class_names: printed in certificates; also understood when the base answers with names.
        batch_size: most draws per call of the base; by default from the size of the input (see `tune`). It
            never changes which noise is drawn.
        draw_ahead: whether a second thread draws the noise of the next batch while the base answers one; it
            changes no draw. By default where the process may use several cores and a batch is large enough.
        calibration: where the threshold comes from (see `ironbound.smoothing.calibrate`); it brings threshold
            and positive class, and its error probability is a part of every certificate's alpha. Certificates
            are refused under other noise than it was made with.
        unrepeatable: what to do with a base whose answers change when it is asked again, which 32 draws
            before the first certificate find out (see `examine`): "refuse" it, "warn", or "ignore", which
            asks nothing. A base that mixes the rows of a batch is refused in either of the first two: no
            bound would hold.
    Raises:
        InputError, InputTypeError: naming the argument.

    Example:
        >>> import ironbound as ib
        >>> smoothing = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
        >>> model = ib.SmoothedClassifier(lambda batch: batch["x"][:, 0] > 0, smoothing, num_classes=2)
        >>> cert = model.certify({"x": [1.0, 0.0]}, threat=ib.Threat(x=ib.L2()), alpha=0.001, n=1000)
        >>> cert.prediction, 0.7 < cert.frontier[0] <= 1.0
        (1, True)
    """

    def __init__(
        self,
        base: object,
        smoothing: Smoothing,
        num_classes: int,
        *,
        threshold: float | None = None,
        positive: int = 1,
        rivals: Rivals | None = None,
        class_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        draw_ahead: bool | None = None,
        calibration: Calibration | None = None,
        unrepeatable: Unrepeatable = "refuse",
    ) -> None:
        if not isinstance(smoothing, Smoothing):
            raise InputTypeError(f"smoothing must be a Smoothing(name=channel, ..); got {smoothing!r}")
        if not smoothing:
            raise wrong_value("smoothing", smoothing, "noise on at least one channel")
        self.smoothing = smoothing
        self.rules = Rules.build(num_classes, threshold, positive, rivals, class_names, calibration)
        self._voters = Voters(as_base(base), smoothing, self.rules, batch_size, draw_ahead)
        if unrepeatable not in ("refuse", "warn", "ignore"):
            raise wrong_value("unrepeatable", unrepeatable, '"refuse", "warn" or "ignore"')
        self._unrepeatable: Unrepeatable = unrepeatable
        self._examined = unrepeatable == "ignore"
        self._shared = SharedNoise()

    @property
    def num_classes(self) -> int:
        return self.rules.num_classes

    def certify(
        self,
        inputs: Inputs,
        *,
        threat: Threat,
        alpha: float = 0.01,
        n: int = 10_000,
        n0: int = 100,
        stop: Stop = "fixed",
        seed: int = 0,
        input_id: str = "0",
        target: Amounts | Sequence[Amounts] | None = None,
        precision: float | None = None,
        shared_noise: bool = False,
        callback: Callback | None = None,
    ) -> Certificate:
        """One verified certificate. "Cannot certify" is one too: abstained, with the reason.

        Args:
            inputs: a value for each channel of the smoothing; a torch tensor reaches the base as a tensor.
            threat: which channels are attacked, and how. Channels not named are noised, but not attacked.
            alpha, n, n0, stop, seed, target, precision, shared_noise: see `Statistics`.
            input_id: names the input in the certificate; with the seed it determines every draw.
            callback: called with a `Progress` after each batch.
        Raises:
            InputError: an input, the threat or a setting cannot be used; n is too small for alpha.
        """
        statistics = Statistics(alpha, n, n0, stop, seed, target, precision, shared_noise)
        self._check_sample(statistics)
        reading = self._voters.read(inputs)
        work = self._job(reading, threat, statistics, str(input_id), callback)
        return alone(work, reading, self._voters, halved=_halved)

    def certify_many(
        self,
        inputs: Iterable[Inputs | tuple[str, Inputs]],
        *,
        threat: Threat,
        alpha: float = 0.01,
        n: int = 10_000,
        n0: int = 100,
        stop: Stop = "fixed",
        seed: int = 0,
        target: Amounts | Sequence[Amounts] | None = None,
        precision: float | None = None,
        shared_noise: bool = False,
        callback: Callback | None = None,
    ) -> Iterator[Certificate]:
        """Certificates one by one, as they are done; arguments as for `certify`.

        Args:
            inputs: inputs, or pairs (id, inputs); without ids they are numbered "0", "1", ...
        Raises:
            InputError: for settings at once; for an unusable input when its turn comes, naming it. An input
                whose continuous channels have another shape than the first input's is unusable.
        """
        statistics = Statistics(alpha, n, n0, stop, seed, target, precision, shared_noise)
        self._check_sample(statistics)
        return streams.in_order(inputs, self._voters, self._opening(threat, statistics, callback), _halved)

    def predict(
        self,
        inputs: Inputs | Iterable[Inputs],
        *,
        n: int = 1000,
        alpha: float = 0.01,
        seed: int = 0,
        threat: Threat | None = None,
    ) -> NDArray[np.int64]:
        """Labels (N,); -1 where n draws do not settle the label at error probability alpha each.

        Args:
            inputs: a batch, that is a dict of arrays with a leading axis N; or a list of single inputs.
            n: draws for each input.
            alpha: error probability of each label.
            seed: the i-th input's draws depend on it and on i.
            threat: puts the noise where `certify` against this threat puts it. Only attacks on the end of a
                text move any; per-budget sampling has a classifier for each budget, so ask with one of them.
        """
        statistics = Statistics(alpha=alpha, n=n, n0=1, seed=seed)
        if threat is not None and per_budget.channels(threat):
            raise wrong_value(
                "threat", threat, 'one budget with sampling="shared", whose classifier is asked'
            )
        noise = self.smoothing if threat is None else self.smoothing.placed(threat)
        several: list[Any] = streams.split(inputs) if isinstance(inputs, Mapping) else list(inputs)
        found: list[int] = []
        for i, one in enumerate(several):
            reading = self._voters.read(one)
            draws = Draws(noise, reading.values, statistics.seed, str(i), "prediction")
            found.append(decide(count(self._voters, reading, draws, 0, n), n, alpha, self.rules))
        return np.array(found, dtype=np.int64)

    def outcomes(
        self,
        inputs: Iterable[tuple[str, Inputs]],
        *,
        threat: Threat,
        statistics: Statistics,
        callback: Callback | None = None,
        halved: Callable[[int], None] = _halved,
    ) -> Iterator[tuple[int, Outcome]]:
        """What becomes of each input, as soon as it is done and in that order: a certificate or an error.

        The certificates are those of `certify`. Inputs are taken from the iterable when there is room for
        them in a batch, so memory does not grow with their number.

        Args:
            inputs: pairs (id, inputs). They may differ in shape; those of equal shape share batches.
            threat, statistics: as for `certify`.
            callback: called with a `Progress` after each batch.
            halved: told the new size when the base has run out of memory and the batch was halved; by default
                a warning.
        Returns:
            Pairs (number of the input, from 0; outcome).
        Raises:
            InputError: n is too small for alpha; UnrepeatableError, one of its kind: the base cannot be used.

        Example:
            >>> import ironbound as ib
            >>> noise = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
            >>> model = SmoothedClassifier(lambda batch: batch["x"][:, 0] > 0, noise, num_classes=2)
            >>> data = [("a", {"x": [float("nan")]}), ("b", {"x": [1.0]})]
            >>> found = dict(model.outcomes(data, threat=Threat(x=ib.L2()), statistics=Statistics(n=200)))
            >>> type(found[0].error).__name__, found[1].certificate.prediction
            ('InputError', 1)
        """
        self._check_sample(statistics)
        return streams.as_done(inputs, self._voters, self._opening(threat, statistics, callback), halved)

    def examine(self, inputs: Inputs) -> Repeatability:
        """Whether the base answers equal draws equally, and each on its own; see `Repeatability`.

        It is asked about 32 noised copies of the input twice, and about some of them in other batches.

        Raises:
            InputError: the input cannot be used. Whatever the base raises passes through.

        Example:
            >>> import ironbound as ib
            >>> noise = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
            >>> ranked = lambda batch: batch["x"][:, 0] > batch["x"].mean()
            >>> print(str(SmoothedClassifier(ranked, noise, num_classes=2).examine({"x": [0.0]}))[:31])
            base mixes the rows of a batch:
        """
        reading = self._voters.read(inputs)
        return examine(self._voters, self.smoothing, reading)

    def tune(self, inputs: Inputs, *, most: int = 8192, seconds: float = 0.1) -> int:
        """Measure which batch size serves the base best, and use it from now on.

        Sizes 16, 32, .. are asked about noised copies of the input, up to `most` or to what memory allows.
        No draw of a certificate depends on the result. A base whose floating-point answers depend on the size
        in their last digits may count a tie differently, so give `batch_size` where that must not happen.

        Args:
            inputs: a typical input.
            most: largest size to try.
            seconds: spent on each size.
        Returns:
            The size.
        """
        reading = self._voters.read(inputs)
        found = best_batch_size(self._voters, self.smoothing, reading, most=most, seconds=seconds)
        self._voters = replace(self._voters, batch_size=found)
        return found

    def _job(
        self, reading: Reading, threat: Threat, statistics: Statistics, name: str, callback: Callback | None
    ) -> Job:
        if not self._examined:
            found = examine(self._voters, self.smoothing, reading)
            act_on(found, self._unrepeatable)
            self._examined = True  # only once nothing was raised: a base that fails is asked again
        check_noise(self.rules.calibration, self.smoothing, reading, threat)
        make = per_budget.job if per_budget.channels(threat) else job
        return make(self.smoothing, self.rules, reading, threat, statistics, name, callback, self._shared)

    def _opening(self, threat: Threat, statistics: Statistics, callback: Callback | None) -> streams.Opens:
        return lambda reading, name: self._job(reading, threat, statistics, name, callback)

    def _check_sample(self, statistics: Statistics) -> None:
        threshold, share = self.rules.least_threshold(), self.rules.share(statistics.alpha)
        estimate.check_attainable(statistics.n, share, statistics.stop, self.num_classes, threshold)
