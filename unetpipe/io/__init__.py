"""Read and write files: images, label maps, track tables, journals. Each format is one file."""

from unetpipe.io.images import count_pages, read_image, read_labels, write_label_pages, write_labels, write_picture

__all__ = ["count_pages", "read_image", "read_labels", "write_label_pages", "write_labels", "write_picture"]
