"""A Ray cluster for the time of a run: found or started, quiet, and with no more threads than cores."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ironbound.errors import RunError, wrong_value

# Rows are small; Ray's least.
_STORE_BYTES = 80 * 2**20
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Read by Ray when it is imported. What workers print, and Ray about them, would end up on our stdout.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def cluster(workers: int | None) -> Iterator[tuple[Any, int, dict[str, Any]]]:
    """Ray itself, the number of workers, and the options of each: its share of the cores and accelerators.

    A cluster that this process is connected to is used and left as it is; else the one of $RAY_ADDRESS; else
    one is started on this machine, and stopped at the end.

    Args:
        workers: as many as cores if `None`.
    Raises:
        RunError: Ray is not installed, or no cluster can be started or reached.
        InputError: more workers than cores.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    try:
        if ours:
            _connect(ray)
        resources = ray.cluster_resources()
        cores = max(1, int(resources.get("CPU", 1)))
        count = cores if workers is None else workers
        if count > cores:
            raise wrong_value("workers", workers, f"at most the number of cores, {cores}")
        threads = cores // count
        # Workers share out the cores, so none draws noise on a second thread of its own.
        variables = dict.fromkeys(_THREADS, str(threads)) | {"IRONBOUND_CORES": "1"}
        # A cluster on other machines does not know our environment.
        variables |= {key: value for key, value in os.environ.items() if key.startswith("IRONBOUND_")}
        options: dict[str, Any] = {"num_cpus": threads, "runtime_env": {"env_vars": variables}}
        if resources.get("GPU", 0) > 0:
            options["num_gpus"] = min(1.0, resources["GPU"] / count)
        yield ray, count, options
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise RunError("--engine ray needs Ray: pip install 'ironbound[ray]'") from None
    return ray


def _connect(ray: Any) -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    settings: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        settings["address"] = os.environ["RAY_ADDRESS"]
    else:
        settings["address"] = "local"
        settings["num_cpus"] = _cores()
        settings["include_dashboard"] = False
        settings["object_store_memory"] = _STORE_BYTES
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**settings)
    except (OSError, RuntimeError, ValueError, ConnectionError) as error:
        raise RunError(f"Ray does not start: {' '.join(str(error).split())[:500]}") from None
    finally:
        if main:
            # Ray exits on SIGTERM; we want to say what is kept and how to go on.
            signal.signal(signal.SIGTERM, before)


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
