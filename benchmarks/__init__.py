"""Benchmarks: ratios against a peer or a ceiling, measured in one run. `make bench` runs the quick ones."""
