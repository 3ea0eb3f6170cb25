"""Command line: what ``python -m monai.bundle`` has no verb for."""
