"""Data: layouts, reading and writing, splits, and the synthetic set."""

from unetpipe.data.balance import balanced_weights
from unetpipe.data.borders import border_records
from unetpipe.data.cells import CellStatistics, measure_cells, measure_records, smallest_cell
from unetpipe.data.ctc import ctc_records, find_sequences
from unetpipe.data.dsb2018 import dsb2018_records
from unetpipe.data.folders import folder_records, pair_files
from unetpipe.data.images import find_images, mask_name
from unetpipe.data.isbi2012 import isbi2012_records
from unetpipe.data.layouts import LAYOUTS, find_records, recognise
from unetpipe.data.masks import components, decide_masks
from unetpipe.data.pairs import read_pair_label
from unetpipe.data.split import evaluation_records, parse_frames, select, split_records
from unetpipe.data.survey import Frame, Survey, check_images, survey
from unetpipe.data.synthetic import write_synthetic_ctc
from unetpipe.data.truth import read_instances, read_truth
from unetpipe.io.idx import idx_records
from unetpipe.io.npy import array_records

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
