"""Benchmarks: compare speed with that of the usual alternatives, side by side; run them from a checkout."""
