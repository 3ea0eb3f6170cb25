"""Measure speed as a ratio to that of an alternative; both are timed in turn in one process."""
