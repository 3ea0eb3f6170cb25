"""Experiments: which ideas help, how other networks score, which images to annotate, the training of the models."""
