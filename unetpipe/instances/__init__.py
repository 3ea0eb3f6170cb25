"""Instances: from probability to numbered cells, and the ridge between touching ones."""

from unetpipe.instances.from_probability import InstancesFromProbabilityd, instances_from_probability
from unetpipe.instances.ridge import contact_zone, cut_ridge, refill_ridge

__all__ = [
    "InstancesFromProbabilityd",
    "contact_zone",
    "cut_ridge",
    "instances_from_probability",
    "refill_ridge",
]
