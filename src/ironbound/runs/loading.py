"""Find `package.module:function`, in the configuration's folder first, and call it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ironbound.errors import ConfigError, IronboundError


def call(reference: str, folder: Path, arguments: Mapping[str, Any], key: str) -> Any:
    """Import what `reference` names and call it with `arguments`.

    A module file in `folder` wins over an installed module of the same name, and is loaded under a name of
    its own, so that two folders may both have a `model.py`.

    Args:
        reference: "package.module:function".
        folder: where the module is looked for first; on the import path while it is loaded and called.
        key: the configuration key to blame, such as "model.loader".
    Raises:
        ConfigError: no such module or function, or it raised; the message says which and why.
    """
    module_name, _, function_name = reference.partition(":")
    with _on_path(folder):
        try:
            module = _module(module_name, folder)
        except IronboundError:
            raise
        except ModuleNotFoundError as error:
            missing = str(error.name)
            if module_name == missing or module_name.startswith(missing + "."):
                raise ConfigError(f"{key}: no module {module_name!r} in {folder} or installed") from None
            raise ConfigError(
                f"{key}: {module_name} needs the module {missing!r}, which is missing"
            ) from None
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{key}: importing {module_name} failed: {_short(error)}") from error
        function = getattr(module, function_name, None)
        if not callable(function):
            names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise ConfigError(
                f"{key}: {module_name} has no function {function_name!r}; it has {', '.join(names) or 'none'}"
            )
        try:
            return function(**arguments)
        except (Exception, SystemExit) as error:
            raise ConfigError(f"{key}: {reference} raised {_short(error)}") from error


def source_file(reference: str, folder: Path) -> Path | None:
    """The file in `folder` that `reference` would be loaded from; `None` for an installed module."""
    base = folder.joinpath(*reference.partition(":")[0].split("."))
    candidates = (base.with_name(base.name + ".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def digest(files: Iterable[Path], extra: str = "") -> str:
    """SHA-256, in hexadecimal, over names and contents of files, in the order given, and an extra text.

    Raises:
        ConfigError: a file cannot be read.
    """
    total = hashlib.sha256(extra.encode())
    for path in files:
        try:
            content = hashlib.sha256()
            with path.open("rb") as stream:
                while block := stream.read(1 << 20):
                    content.update(block)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
        total.update(f"\n{path.name} {content.hexdigest()}".encode())
    return total.hexdigest()


def _module(name: str, folder: Path) -> ModuleType:
    path = source_file(name, folder)
    if path is None or "." in name:
        return importlib.import_module(name)
    private = f"_ironbound_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}_{name}"
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module  # dataclasses and pickling look a class's module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(entry)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
