"""Data: layouts, reading and writing, splits, and the synthetic set."""

from unetpipe.data.cells import CellStatistics, measure_cells, measure_records, smallest_cell
from unetpipe.data.ctc import ctc_records, find_sequences, read_truth
from unetpipe.data.images import find_images, mask_name
from unetpipe.data.io import read_image, read_labels, write_labels, write_picture
from unetpipe.data.loading import ReadImaged, ReadTruthd
from unetpipe.data.saving import SaveMasksd
from unetpipe.data.split import evaluation_records, parse_frames, select, split_records
from unetpipe.data.synthetic import write_synthetic_ctc

__all__ = [
    "CellStatistics",
    "ReadImaged",
    "ReadTruthd",
    "SaveMasksd",
    "ctc_records",
    "evaluation_records",
    "find_images",
    "find_sequences",
    "mask_name",
    "measure_cells",
    "measure_records",
    "parse_frames",
    "read_image",
    "read_labels",
    "read_truth",
    "select",
    "smallest_cell",
    "split_records",
    "write_labels",
    "write_picture",
    "write_synthetic_ctc",
]
