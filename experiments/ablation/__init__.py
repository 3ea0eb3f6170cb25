"""Measure which ideas of the paper help: train one recipe again with one thing changed, on the same budget."""
