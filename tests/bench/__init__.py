"""Benchmarks: `make bench`. Figures are medians of several runs on the machine at hand, printed with its versions."""
