"""`ironbound recertify`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import PARTLY_FAILED, friendly, say
from ironbound.cli.shared import Folder, Json, app, print_json
from ironbound.errors import InputError


@app.command()
@friendly
def recertify(
    folder: Folder,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New run folder.  [default: DIR-SETTINGS]", show_default=False),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Error probability of everything that one certificate states.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Decision threshold of a filter (two classes).")
    ] = None,
    positive: Annotated[int | None, typer.Option(min=0, help="Class that --threshold is about.")] = None,
    complement: Annotated[
        bool, typer.Option("--complement", help="Claim more than half of all votes, and bound no rival.")
    ] = False,
    max_d: Annotated[
        list[str] | None,
        typer.Option(metavar="[CHANNEL=]N", help="Largest number of changes to look at; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Make new claims from the counts of a run, without its model.

    Alpha and form have to be chosen without looking at the results; thresholds and budgets may be chosen by
    looking.
    """
    from ironbound.cli.drawing import counting
    from ironbound.report.tables import terminal
    from ironbound.report.write import summary_record, write_report
    from ironbound.runs.recertify import Change
    from ironbound.runs.recertify import recertify as claim_anew

    change = Change(alpha, threshold, positive, "complement" if complement else None, _budgets(folder, max_d))
    suffix = "-".join(f"{name}-{value}" for name, value in change.settings().items() if name != "max_d")
    suffix += "".join(f"-{channel}-{most}" for channel, most in change.max_d.items())
    target = out if out is not None else folder.with_name(f"{folder.name}-{suffix.strip('-') or 'again'}")
    with counting(Console(stderr=True), "claiming anew") as draw:
        found = claim_anew(folder, target, change, draw)
    reading = write_report(target)
    told = {
        "folder": str(target),
        "inputs": found.inputs,
        "same": found.same,
        "failed": found.failed,
        "repeatable": found.repeatable,
    }
    if as_json:
        print_json({**told, **summary_record(reading)})
    else:
        Console().print(terminal(reading))
        typer.echo(f"{found.inputs} certificates, {found.same} of them as they were")
        typer.echo(f"check: ironbound verify {shlex.quote(str(target))}")
    if change.rivals is not None:
        say(
            "The form, too, is to be chosen before the counts were seen: the better of two forms, picked by "
            "its results, may fail twice as often."
        )
    if change.alpha is not None:
        say(
            f"These certificates hold at alpha = {change.alpha:g} if that was chosen before the counts were "
            "seen. The best of several alphas, picked by its results, is no certificate."
        )
    if found.failed:
        say(f"{found.failed} input(s) have no certificate in {folder}, and none here.")
    return PARTLY_FAILED if found.failed else 0


def _budgets(folder: Path, given: list[str] | None) -> dict[str, int]:
    """Channel -> largest budget; the channel may be left out where only one can be meant."""
    found: dict[str, int] = {}
    for text in given or ():
        channel, _, number = text.rpartition("=")
        if not number.isdigit():
            raise InputError(f"--max-d must be N or CHANNEL=N with a whole number N; got {text!r}")
        found[channel or _only_channel(folder)] = int(number)
    return found


def _only_channel(folder: Path) -> str:
    from ironbound.runs.folder import RESULTS
    from ironbound.runs.store import Store

    with Store.open(folder / RESULTS) as store:
        threat = store.identity.get("threat", {})
    names = [name for name, budget in threat.items() if "max_d" in budget]
    if len(names) != 1:
        raise InputError(f"--max-d: write CHANNEL=N with one of the channels {sorted(names)}")
    return names[0]
