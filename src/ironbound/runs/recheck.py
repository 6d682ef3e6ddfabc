"""Re-check every certificate of a run folder, without its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ironbound.certificate import Certificate, ChannelRecord, SuffixNoise, noise_alone
from ironbound.errors import InputError, InvalidCertificate
from ironbound.runs.engines.rows import stop_reason
from ironbound.runs.folder import RESULTS
from ironbound.runs.store import Row, Store


@dataclass(frozen=True)
class Recheck:
    """What a re-check found.

    Attributes:
        valid: number of certificates that prove what they claim.
        invalid: input id and reason of each one that does not.
        errors: number of inputs that failed and have no certificate.
        missing: number of inputs that were asked for and have no row at all: the run is not finished, or rows
            were taken out.
    """

    valid: int
    invalid: tuple[tuple[str, str], ...]
    errors: int
    missing: int = 0

    @property
    def ok(self) -> bool:
        """Whether there are certificates and all of them are valid."""
        return self.valid > 0 and not self.invalid


def recheck(out: Path, callback: Callable[[int, int], None] | None = None) -> Recheck:
    """Verify each certificate, that its row says what it says, and that it is one of this run's.

    Args:
        out: a run folder.
        callback: told (done, total) after each row.
    Raises:
        RunError: not a run folder, or damaged.
    """
    valid, errors = 0, 0
    invalid: list[tuple[str, str]] = []
    with Store.open(out / RESULTS) as store:
        rows = list(store.rows())
        run = _Run(store.identity)
        missing = max(0, int(store.about.get("requested", 0)) - len(rows))
    for done, row in enumerate(rows, start=1):
        if row.certificate is None:
            errors += 1
        else:
            try:
                _check(row, row.certificate, run)
                valid += 1
            except (InvalidCertificate, InputError) as error:
                invalid.append((row.input_id, " ".join(str(error).split())))
        if callback is not None:
            callback(done, len(rows))
    return Recheck(valid, tuple(invalid), errors, missing)


class _Run:
    """What all certificates of one run have in common; a valid one of another run proves other claims.

    Error probability, seed, stopping rule and threat are those of the run's identity. Noise and model are
    there by name only: they have to be those of the first certificate.
    """

    def __init__(self, identity: Mapping[str, Any]) -> None:
        statistics: Mapping[str, Any] = identity.get("statistics", {})
        self._settings = {name: statistics[name] for name in ("alpha", "seed", "stop") if name in statistics}
        self._threat: Mapping[str, Mapping[str, Any]] | None = identity.get("threat")
        self._common: dict[str, Any] | None = None

    def check(self, certificate: Certificate) -> None:
        """Raises InvalidCertificate where the certificate belongs to another run."""
        evidence: Any = certificate.evidence
        one = evidence.parts[0] if hasattr(evidence, "parts") else evidence
        for name, expected in self._settings.items():
            found = certificate.alpha if name == "alpha" else getattr(one, name, expected)
            _same(name, found, expected)
        if self._threat is not None:
            attacked = {name: budget.get("max_d") for name, budget in self._threat.items()}
            _same("the threat", {**dict.fromkeys(evidence.scales()), **evidence.budgets()}, attacked)
        common = {
            "the number of classes": certificate.num_classes,
            "the classes": certificate.class_names,
            "the model": getattr(evidence, "model", None),
            "the noise": [_noise(record) for record in getattr(evidence, "channels", ())],
        }
        self._common = self._common or common
        for name, expected in self._common.items():
            _same(name, common[name], expected)


def _noise(record: ChannelRecord) -> ChannelRecord:
    alone = noise_alone(record)
    return replace(alone, positions=0) if isinstance(alone, SuffixNoise) else alone


def _same(name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise InvalidCertificate(f"it belongs to another run: {name} is {found!r}, in this run {expected!r}")


def _check(row: Row, text: str, run: _Run) -> None:
    certificate = Certificate.from_json(text)
    certificate.verify()
    run.check(certificate)
    if certificate.input_id != row.input_id:
        raise InvalidCertificate(f"it is the certificate of input {certificate.input_id!r}")
    if certificate.prediction != row.prediction:
        raise InvalidCertificate(f"its prediction is {certificate.prediction}, the row says {row.prediction}")
    if row.stop_reason not in ("", stop_reason(certificate)):
        raise InvalidCertificate(
            f"it stopped because of {stop_reason(certificate)!r}, the row says {row.stop_reason!r}"
        )
    if certificate.samples != row.samples:
        raise InvalidCertificate(f"it used {certificate.samples} draws, the row says {row.samples}")
