"""Transforms: bright objects, border weight map, ridge, elastic deformation, mirrored random tiles, pasted cells."""

from unetpipe.transforms.elastic import RandElastic2D, RandElastic2Dd
from unetpipe.transforms.elastic_grid import RandElasticGrid
from unetpipe.transforms.mirror_crop import RandMirrorCropd
from unetpipe.transforms.normalize_bright import NormalizeBrightd
from unetpipe.transforms.paste_cells import PasteCellsd, RandPasteCellsd
from unetpipe.transforms.ridge import TouchingRidge, TouchingRidged
from unetpipe.transforms.weight_map import BorderWeightMap, BorderWeightMapd

__all__ = [
    "BorderWeightMap",
    "BorderWeightMapd",
    "NormalizeBrightd",
    "PasteCellsd",
    "RandElastic2D",
    "RandElastic2Dd",
    "RandElasticGrid",
    "RandMirrorCropd",
    "RandPasteCellsd",
    "TouchingRidge",
    "TouchingRidged",
]
