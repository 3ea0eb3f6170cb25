"""Instances: from probability to numbered cells, and the ridge between touching ones."""

from unetpipe.instances.from_probability import InstanceSettings, InstancesFromProbabilityd
from unetpipe.instances.ridge import contact_zone, cut_ridge, refill_ridge
from unetpipe.instances.trained_on import TrainedOn

__all__ = ["InstanceSettings", "InstancesFromProbabilityd", "TrainedOn", "contact_zone", "cut_ridge", "refill_ridge"]
