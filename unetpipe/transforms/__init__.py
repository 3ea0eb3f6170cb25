"""Transforms: read and write items, weight borders, cut ridges, deform, cut tiles, paste cells.

Those named ``RandBatch…`` work on whole batches on the device that holds them, a GPU or the CPU.
"""

from unetpipe.transforms.axial_view import AxialViewd
from unetpipe.transforms.batched import CropCentred, RandBatch, RandBatchd, apply_to_batch
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
from unetpipe.transforms.elastic import RandElastic2D, RandElastic2Dd, RandElasticGrid
from unetpipe.transforms.mirror_crop import RandMirrorCropd
from unetpipe.transforms.normalize_bright import NormalizeBrightd
from unetpipe.transforms.paste_cells import PasteCellsd, RandPasteCellsd
from unetpipe.transforms.perturbed import Perturbd
from unetpipe.transforms.reading import ReadImaged, ReadTruthd
from unetpipe.transforms.ridge import TouchingRidge, TouchingRidged
from unetpipe.transforms.saving import HandOutd, SaveMasksd
from unetpipe.transforms.weight_map import BorderWeightMap, BorderWeightMapd

__all__ = [
    "AxialViewd",
    "BorderWeightMap",
    "BorderWeightMapd",
    "CropCentred",
    "HandOutd",
    "NormalizeBrightd",
    "PasteCellsd",
    "Perturbd",
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
    "ReadImaged",
    "ReadTruthd",
    "SaveMasksd",
    "TouchingRidge",
    "TouchingRidged",
    "apply_to_batch",
]
