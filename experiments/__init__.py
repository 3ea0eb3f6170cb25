"""Experiments: which ideas help, how other networks and classical methods score, and which images to annotate."""
