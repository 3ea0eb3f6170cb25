"""Trainings of the shipped models in a given time, on data packed into one small file."""
