"""Experiments: which ideas help, what other networks and classical methods reach, how annotating pays."""
