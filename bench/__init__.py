"""Benchmarks and comparisons: how fast the jobs are, and how that compares with others.

`python -m bench --help`; bench/README.md says what is measured and how. Nothing of the workbench
imports this package, and this package imports neither PyFlink nor `flink_jobs`.
"""
