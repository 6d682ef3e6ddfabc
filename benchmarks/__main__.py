"""Run every quick benchmark: `python -m benchmarks`. Long ones are named with their own command."""

from __future__ import annotations

import platform

import numpy
import scipy

import ironbound
from benchmarks import certificates_per_second, conv_norm, verify_time


def main() -> None:
    print(
        f"ironbound {ironbound.__version__}, Python {platform.python_version()}, NumPy {numpy.__version__}, "
        f"SciPy {scipy.__version__}, {platform.machine()}"
    )
    certificates_per_second.main()
    verify_time.main()
    conv_norm.main()
    print("\nLonger ones, each with its own command:")
    print("  python -m benchmarks.adult_frontier --n 10000     (ten seconds)")
    print("  python -m benchmarks.adult_frontier --n 100000    (a minute)")


if __name__ == "__main__":
    main()
