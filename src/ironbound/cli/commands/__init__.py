"""One file per command, named after it. A file placed here is found; nothing else has to know of it.

Modules that load torch or NumPy are imported inside the commands that need them, so that `--help` is quick.
"""
