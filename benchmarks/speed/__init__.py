"""Speed, as ratios to what else one would use, both timed in turn in one process."""
