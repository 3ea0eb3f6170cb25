"""Transforms: bright objects, border weight map, ridge, elastic deformation, mirrored random tiles, pasted cells.

Those named ``RandBatch…`` work on batches where they live, on a GPU or the CPU.
"""

from unetpipe.transforms.batched import RandBatch, RandBatchd
from unetpipe.transforms.batched_grey import (
    RandBatchBlur,
    RandBatchGrey,
    RandBatchGreyValues,
    RandBatchNoise,
    RandBatchRounding,
    RandBatchShading,
)
from unetpipe.transforms.batched_tiles import RandBatchTilesd
from unetpipe.transforms.batched_view import RandBatchFieldOfViewd
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
    "RandBatch",
    "RandBatchBlur",
    "RandBatchFieldOfViewd",
    "RandBatchGrey",
    "RandBatchGreyValues",
    "RandBatchNoise",
    "RandBatchRounding",
    "RandBatchShading",
    "RandBatchTilesd",
    "RandBatchd",
    "RandElastic2D",
    "RandElastic2Dd",
    "RandElasticGrid",
    "RandMirrorCropd",
    "RandPasteCellsd",
    "TouchingRidge",
    "TouchingRidged",
]
