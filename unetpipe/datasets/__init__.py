"""Data sets: their layouts, truth, splits, surveys, downloads, and synthetic cells."""

from unetpipe.datasets.cells import CellStatistics, balanced_weights, measure_cells, measure_records, smallest_cell
from unetpipe.datasets.ctc import find_sequences
from unetpipe.datasets.images import find_images
from unetpipe.datasets.layouts import LAYOUTS, find_records, read_truth, recognise
from unetpipe.datasets.masks import components, decide_masks
from unetpipe.datasets.paired_folders import pair_files, read_pair_label
from unetpipe.datasets.records import Record, mask_name
from unetpipe.datasets.split import evaluation_records, parse_frames, select, split_records
from unetpipe.datasets.survey import Frame, Survey, check_images, survey
from unetpipe.datasets.synthetic import write_synthetic_ctc

__all__ = [
    "LAYOUTS",
    "CellStatistics",
    "Frame",
    "Record",
    "Survey",
    "balanced_weights",
    "check_images",
    "components",
    "decide_masks",
    "evaluation_records",
    "find_images",
    "find_records",
    "find_sequences",
    "mask_name",
    "measure_cells",
    "measure_records",
    "pair_files",
    "parse_frames",
    "read_pair_label",
    "read_truth",
    "recognise",
    "select",
    "smallest_cell",
    "split_records",
    "survey",
    "write_synthetic_ctc",
]
