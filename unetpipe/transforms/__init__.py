"""Transforms: read and write items, weight borders, cut ridges, deform, cut tiles, paste cells."""

from unetpipe.transforms.axial_view import AxialViewd
from unetpipe.transforms.elastic import RandElastic2D, RandElastic2Dd, RandElasticGrid
from unetpipe.transforms.mirror_crop import RandMirrorCropd
from unetpipe.transforms.normalize_bright import NormalizeBrightd
from unetpipe.transforms.paste_cells import PasteCellsd, RandPasteCellsd
from unetpipe.transforms.reading import ReadImaged, ReadTruthd
from unetpipe.transforms.ridge import TouchingRidge, TouchingRidged
from unetpipe.transforms.saving import HandOutd, SaveMasksd
from unetpipe.transforms.weight_map import BorderWeightMap, BorderWeightMapd

__all__ = [
    "AxialViewd",
    "BorderWeightMap",
    "BorderWeightMapd",
    "HandOutd",
    "NormalizeBrightd",
    "PasteCellsd",
    "RandElastic2D",
    "RandElastic2Dd",
    "RandElasticGrid",
    "RandMirrorCropd",
    "RandPasteCellsd",
    "ReadImaged",
    "ReadTruthd",
    "SaveMasksd",
    "TouchingRidge",
    "TouchingRidged",
]
