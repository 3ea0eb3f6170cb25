"""The MONAI Label app and its server: annotate, correct, retrain.

Only ``app``, ``infer``, ``train``, ``strategy``, ``studies`` and ``server`` import ``monailabel``.
"""
