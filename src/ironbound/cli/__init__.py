"""The command line. Importing it loads neither torch nor NumPy, so that `--help` answers at once."""

from ironbound.cli.app import app, main

__all__ = ["app", "main"]
