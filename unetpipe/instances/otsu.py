"""What one gets without learning: Otsu's threshold and connected components."""

from __future__ import annotations

import itk
import numpy as np
from scipy import ndimage


def otsu_components(image: np.ndarray) -> np.ndarray:
    """Return the 4-connected components of the pixels above Otsu's threshold: (H, W) → (H, W), int32."""
    mask = itk.otsu_threshold_image_filter(
        itk.image_view_from_array(image.astype(np.float32)), inside_value=0, outside_value=1, ttype=_MASK_TYPES
    )
    return ndimage.label(itk.array_from_image(mask))[0].astype(np.int32)


_MASK_TYPES = (itk.Image[itk.F, 2], itk.Image[itk.UC, 2])
