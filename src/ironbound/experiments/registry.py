"""What an experiment is: a TOML file that names its function, its settings and the published figures.

what = "Adult: certified accuracy against radius for d = 0, 1, 2"
paper = "HRS"
source = "Figure 3"                                  # where the published figures stand
run = "ironbound.experiments.hrs_adult:figure"       # function(Context) -> Result
needs = ["adult"]                                    # folders of data it reads
minutes = 2                                          # measured, of size "normal" on two cores

[settings]                                           # of size "normal"
rows = 1000
[smoke]                                              # what size "smoke" changes
rows = 20
[published]                                          # anything that the function puts beside ours
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from ironbound.errors import ConfigError, InputError
from ironbound.experiments.context import Context
from ironbound.experiments.result import Result

Size = Literal["normal", "smoke"]

_KEYS = {"what", "paper", "source", "run", "needs", "minutes", "settings", "smoke", "published"}


@dataclass(frozen=True)
class Experiment:
    """One published table or figure, and how it is repeated.

    Attributes:
        name: of its file.
        what: one line.
        paper: "HRS", "HyCAS", "GML", or "" for one of our own.
        source: where the published figures stand, "" if there are none.
        run: "package.module:function".
        needs: folders of data that it reads.
        minutes: how long size "normal" took on two cores.
        settings: size -> settings of that size.
        published: the published figures.
    """

    name: str
    what: str
    paper: str
    source: str
    run: str
    needs: tuple[str, ...]
    minutes: float
    settings: Mapping[str, Mapping[str, Any]]
    published: Mapping[str, Any]

    def function(self) -> Callable[[Context], Result]:
        """The function that does the work; importing it may load torch.

        Raises:
            ConfigError: there is no such function.
        """
        module, _, name = self.run.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f'experiment {self.name}: run = "{self.run}" cannot be loaded: {error}'
            ) from None


def home() -> Path:
    """The folder of the TOML files: inside an installed package, or at the root of a checkout."""
    inside = Path(__file__).parent / "settings"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "experiments"


def names(folder: Path | None = None) -> tuple[str, ...]:
    """Names of all experiments, sorted.

    Example:
        >>> "adult-figure" in names()
        True
    """
    return tuple(sorted(path.stem for path in (folder or home()).glob("*.toml")))


def experiment(name: str, folder: Path | None = None) -> Experiment:
    """One experiment, read from its file.

    Args:
        name: one of `names()`.
        folder: where the files lie; for tests.
    Raises:
        InputError: no such experiment, with the nearest name.
        ConfigError: its file is not as it should be.

    Example:
        >>> experiment("adult-figure").paper
        'HRS'
    """
    known = names(folder)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"experiment must be one of {', '.join(known)}; got {name!r}{hint}")
    path = (folder or home()) / f"{name}.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    if unknown := set(found) - _KEYS:
        raise ConfigError(f"{path.name}: unknown keys {', '.join(sorted(unknown))}")
    if missing := {"what", "run", "settings"} - set(found):
        raise ConfigError(f"{path.name}: missing keys {', '.join(sorted(missing))}")
    settings, smoke = found["settings"], found.get("smoke", {})
    if unknown := set(smoke) - set(settings):
        raise ConfigError(f"{path.name}: [smoke] changes what [settings] lacks: {', '.join(sorted(unknown))}")
    return Experiment(
        name=name,
        what=found["what"],
        paper=found.get("paper", ""),
        source=found.get("source", ""),
        run=found["run"],
        needs=tuple(found.get("needs", ())),
        minutes=float(found.get("minutes", 0)),
        settings={"normal": settings, "smoke": {**settings, **smoke}},
        published=found.get("published", {}),
    )
