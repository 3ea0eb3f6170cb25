"""Instances: from probability to numbered cells, and the ridge between touching ones."""

from unetpipe.instances.ridge import contact_zone, cut_ridge, refill_ridge
from unetpipe.instances.settings import InstanceSettings, InstancesFromProbabilityd

__all__ = ["InstanceSettings", "InstancesFromProbabilityd", "contact_zone", "cut_ridge", "refill_ridge"]
