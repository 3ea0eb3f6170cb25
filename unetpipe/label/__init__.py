"""The MONAI Label app: annotate, correct, retrain. What imports ``monailabel`` lives in ``app`` and what it uses."""
