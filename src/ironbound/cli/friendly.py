"""No stack trace for a person: what went wrong in one message, and an exit code that says so."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec

import typer

from ironbound.errors import IronboundError

P = ParamSpec("P")

# Exit codes, documented in docs/command-line.md.
PARTLY_FAILED, BAD_INPUT, BUG, BUDGET_SPENT, STOPPED = 1, 2, 70, 75, 130
TRACEBACK = "IRONBOUND_TRACEBACK"


def say(text: str) -> None:
    """A line for the person, on stderr, so that stdout stays for machines."""
    typer.echo(text, err=True)


def friendly(command: Callable[P, int]) -> Callable[P, None]:
    """Run a command; turn what it returns or raises into an exit code and at most one message."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except IronboundError as error:
            _reraise_if_asked()
            say(f"error: {error}")
            code = BAD_INPUT
        except KeyboardInterrupt:
            say("stopped")
            code = STOPPED
        except BrokenPipeError:
            # The reader of our output has gone; there is nobody left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = PARTLY_FAILED
        except (typer.Exit, typer.Abort):
            raise
        except SystemExit as error:
            say(f"error: sys.exit({error.code!r}) was called by what was loaded; nothing is finished")
            code = PARTLY_FAILED
        except Exception as error:
            _reraise_if_asked()
            say(f"error: unexpected {type(error).__name__}: {error}")
            say(f"This is a bug in ironbound. Set {TRACEBACK}=1 to see where, and please report it.")
            code = BUG
        if code:
            raise typer.Exit(code)

    return wrapped


@contextmanager
def termination_is_interrupt() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: leave a resumable folder and say how to go on."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _reraise_if_asked() -> None:
    if os.environ.get(TRACEBACK):
        raise  # the error being handled: this is called from except blocks only
