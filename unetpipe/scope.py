"""What unetpipe does not do, and which programs do it: sentences for those who ask for it."""

THREE_DIMENSIONS = (
    "unetpipe segments in 2D: each page of a stack by itself, without joining cells across pages. For 3D use nnU-Net, "
    "or Cellpose or StarDist, which have 3D models."
)
SEVERAL_CLASSES = (
    "unetpipe tells cells from background and from each other, but not kinds of cells. For several classes use "
    "nnU-Net, or StarDist, which also gives each nucleus a class."
)
PROMPTS = (
    "unetpipe takes no prompts, points or boxes. Correct its masks with unetpipe label, or use micro-sam, which "
    "segments what is clicked on."
)
ANY_IMAGE = (
    "unetpipe has no model for every kind of image: take that of a similar data set (--model auto chooses one), or "
    "train on some of your own images. Without training, Cellpose or StarDist work on many kinds."
)
RESTORATION = "unetpipe does not restore images. For denoising and deblurring use CAREamics, or Cellpose's restoration."

# keys that users of other programs set, in any spelling (:func:`plain`), and what to say then
KEYS = {
    **dict.fromkeys(("numclasses", "nclasses", "classes", "labels", "classnames"), SEVERAL_CLASSES),
    **dict.fromkeys(("spatialdims", "dimensions", "ndim", "dims", "3d", "do3d", "anisotropy"), THREE_DIMENSIONS),
}


def plain(name: str) -> str:
    """Return a name without its case and separators: ``--num-classes`` and ``num_classes`` are ``numclasses``."""
    return name.lower().replace("-", "").replace("_", "")
