"""Instances: from probability to numbered cells, and the ridge between touching ones."""

from unetpipe.instances.from_probability import instances_from_probability
from unetpipe.instances.ridge import contact_zone, cut_ridge, refill_ridge
from unetpipe.instances.transform import InstancesFromProbabilityd

__all__ = [
    "InstancesFromProbabilityd",
    "contact_zone",
    "cut_ridge",
    "instances_from_probability",
    "refill_ridge",
]
