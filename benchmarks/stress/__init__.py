"""How a trained model holds under what microscopes and users do to images."""
