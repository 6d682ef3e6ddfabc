"""Runs: a data set in, a folder of certificates out; resumable, and complete enough to be repeated."""
