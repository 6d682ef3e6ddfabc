"""Re-check every certificate of a run folder, without its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ironbound.certificate import Certificate
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
    """

    valid: int
    invalid: tuple[tuple[str, str], ...]
    errors: int

    @property
    def ok(self) -> bool:
        """Whether there are certificates and all of them are valid."""
        return self.valid > 0 and not self.invalid


def recheck(out: Path, callback: Callable[[int, int], None] | None = None) -> Recheck:
    """Verify each certificate, and that its row says what the certificate says.

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
    for done, row in enumerate(rows, start=1):
        if row.certificate is None:
            errors += 1
        else:
            try:
                _check(row, row.certificate)
                valid += 1
            except (InvalidCertificate, InputError) as error:
                invalid.append((row.input_id, " ".join(str(error).split())))
        if callback is not None:
            callback(done, len(rows))
    return Recheck(valid, tuple(invalid), errors)


def _check(row: Row, text: str) -> None:
    certificate = Certificate.from_json(text)
    certificate.verify()
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
