"""What can go wrong with a call or with one draw's answer, and what may be done about it."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ironbound.models.http.transport import AnswerTooLong, Reply, Unreachable

# These tell of the address, the method, the credentials or the form of every request, not of this draw.
_HINTS: Mapping[int, str] = {
    401: "check the token in headers",
    402: "check the account behind the token in headers",
    403: "check the token in headers and what it may be used for",
    404: "check the path of url",
    405: "check method",
    406: "check the Accept header",
    407: "the endpoint must be reachable without a proxy",
    410: "check the path of url",
    415: "check the Content-Type header",
    426: "check the scheme of url",
    431: "check headers",
    501: "check method",
    505: "the endpoint must speak HTTP/1.1",
}
_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Unusable:
    """One draw whose answer names no class. `hopeless`: no other draw would fare better."""

    reason: str
    hopeless: bool = False


class Fault(Exception):
    """A call without answers.

    Args:
        reason: what happened, in few words; texts of the endpoint in it are shortened and printable.
        hint: what a person could change.
        again: the same call may do better later.
        hopeless: no other draw would fare better either, so the configuration is wrong.
        replied: the endpoint did reply, so fewer draws in one call may do better.
        pause: seconds after which the endpoint wants to be asked again.
    """

    def __init__(
        self,
        reason: str,
        hint: str = "",
        *,
        again: bool = False,
        hopeless: bool = False,
        replied: bool = False,
        pause: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.again = again
        self.hopeless = hopeless
        self.replied = replied
        self.pause = pause


def of_reply(reply: Reply, now: datetime) -> Fault | None:
    """What a status other than success means; None for a reply that should hold an answer.

    Example:
        >>> of_reply(Reply(429, headers={"retry-after": "7"}), datetime.now(UTC)).pause
        7.0
    """
    status = reply.status
    if 200 <= status < 300:
        coding = reply.headers.get("content-encoding", "identity").strip().lower()
        if coding in ("", "identity"):
            return None
        return Fault(f"the answer is compressed ({shown(coding)})", "turn compression off", hopeless=True)
    reason = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip()
    if 300 <= status < 400:
        target = shown(reply.headers.get("location", ""))
        # Following it would hand the headers, tokens included, to whoever it names.
        return Fault(reason, f"redirects are not followed; it points to {target}", hopeless=True)
    if status in _HINTS:  # without the body: refusals are known to echo the token
        return Fault(reason, _HINTS[status], hopeless=True, replied=True)
    if status == 413:
        return Fault(reason, "the request is too long for the endpoint", replied=True)
    pause = retry_after(reply.headers.get("retry-after"), now)
    again = status in _AGAIN or status >= 500
    said = reply.body[:2000].decode("utf-8", "replace").strip()
    hint = f"the endpoint said {shown(said, 160)}" if said else "check template against what it expects"
    return Fault(reason, hint, again=again, replied=True, pause=pause)


def of_error(error: Exception, timeout: float) -> Fault:
    """What an exception of the transport means.

    Example:
        >>> of_error(TimeoutError(), 2.5).reason
        'no answer within 2.5 s'
    """
    if isinstance(error, Unreachable):
        certificate = isinstance(error.__cause__, ssl.SSLCertVerificationError)
        hint = "is it running, and are the host and port of url right?"
        return Fault(f"cannot connect ({error})", hint, again=not certificate, hopeless=True)
    if isinstance(error, AnswerTooLong):
        return Fault(str(error), "raise answer_limit if such answers are right", again=True, replied=True)
    if isinstance(error, TimeoutError):
        return Fault(f"no answer within {timeout:g} s", "a longer timeout may help", again=True)
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError):
        return Fault("the endpoint closed the connection", "look into its log", again=True)
    if isinstance(error, http.client.IncompleteRead):
        return Fault("the answer was cut off", "look into the endpoint's log", again=True)
    return Fault(f"{type(error).__name__}: {shown(str(error))}", "is it an HTTP endpoint?", again=True)


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, a number or a date (RFC 9110, 10.2.3); None if unreadable.

    Example:
        >>> retry_after("Wed, 01 Jan 2025 00:00:30 GMT", datetime(2025, 1, 1, tzinfo=UTC))
        30.0
    """
    if text is None:
        return None
    if re.fullmatch(r"[0-9]+", text.strip()):
        return float(text.strip()[:12])  # more digits than that are longer than any cap anyway
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def shown(value: object, most: int = 60) -> str:
    """A short, printable rendering of something that came from the endpoint.

    Example:
        >>> shown("x" * 100, 10), shown({"a": 1})
        ("'xxxxxx...'", 'an object')
    """
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        cut = value if len(value) <= most else value[: most - 4] + "..."
        return ascii(cut)
    return str(value)[:most]
