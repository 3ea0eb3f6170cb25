"""Data sets: their layouts, truth, splits, surveys, downloads, and synthetic cells."""

from unetpipe.datasets.annotated_field import border_records
from unetpipe.datasets.cells import CellStatistics, balanced_weights, measure_cells, measure_records, smallest_cell
from unetpipe.datasets.ctc import ctc_records, find_sequences
from unetpipe.datasets.dsb2018 import dsb2018_records
from unetpipe.datasets.images import find_images, mask_name
from unetpipe.datasets.isbi2012 import isbi2012_records
from unetpipe.datasets.layouts import LAYOUTS, find_records, recognise
from unetpipe.datasets.masks import components, decide_masks
from unetpipe.datasets.mnist import idx_records
from unetpipe.datasets.npy_stack import array_records
from unetpipe.datasets.paired_folders import folder_records, pair_files, read_pair_label
from unetpipe.datasets.split import evaluation_records, parse_frames, select, split_records
from unetpipe.datasets.survey import Frame, Survey, check_images, survey
from unetpipe.datasets.synthetic import write_synthetic_ctc
from unetpipe.datasets.truth import read_instances, read_truth

__all__ = [
    "LAYOUTS",
    "CellStatistics",
    "Frame",
    "Survey",
    "array_records",
    "balanced_weights",
    "border_records",
    "check_images",
    "components",
    "ctc_records",
    "decide_masks",
    "dsb2018_records",
    "evaluation_records",
    "find_images",
    "find_records",
    "find_sequences",
    "folder_records",
    "idx_records",
    "isbi2012_records",
    "mask_name",
    "measure_cells",
    "measure_records",
    "pair_files",
    "parse_frames",
    "read_instances",
    "read_pair_label",
    "read_truth",
    "recognise",
    "select",
    "smallest_cell",
    "split_records",
    "survey",
    "write_synthetic_ctc",
]
