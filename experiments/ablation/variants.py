"""Define the rows of the table: the default recipe with one thing changed, as an overlay on ``train.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import ConfigParser

from unetpipe.bundle.writing import find_bundle
from unetpipe.errors import InputError

FOLDER = Path(__file__).parent
PADDED_KEYS = {"padded_tile", "padded_small_tile"}  # of a budget, for the rows of that name


class Row(NamedTuple):
    """A row.

    Attributes
    ----------
    name : str
        Its overlay is ``rows/NAME.json``, or a config of the bundle of that name; ``full`` has none.
    title : str
        What is changed.
    inference_only : bool
        The row uses the training of ``full``, because the change concerns only inference.
    needs_silver : bool
        The row needs gold truth for some frames and silver truth for the others.
    """

    name: str
    title: str
    inference_only: bool = False
    needs_silver: bool = False

    @property
    def overlays(self) -> list[Path]:
        """Paths of its overlays."""
        if self.name == "full":
            return []
        own = FOLDER / "rows" / f"{self.name}.json"
        return [own if own.is_file() else find_bundle() / "configs" / f"{self.name}.json"]


ROWS = (
    Row("full", "the recipe of `train.json`"),
    Row("no_border_map", "no border weight map"),
    Row("no_ridge", "no ridge between touching cells"),
    Row("no_border_map_no_ridge", "neither border map nor ridge"),
    Row("no_elastic", "no elastic deformation"),
    Row("no_rotation", "no rotation, no flips"),
    Row("no_elastic_no_rotation", "neither elastic deformation nor rotation and flips"),
    Row("padded", "padded, blended sliding window; a loss on the whole tile"),
    Row("padded_small", "the same, trained on tiles as small as the unpadded net's output"),
    Row("momentum", "SGD with momentum 0.99 in place of AdamW"),
    Row("dice", "Dice loss"),
    Row("dice_ce", "Dice loss + cross entropy, unweighted"),
    Row("gold", "only gold truth", needs_silver=True),
    Row("silver", "only silver truth", needs_silver=True),
    Row("zero_border", "zeros beyond the image border, not mirrored"),
    Row("rotations_7", "mean over 7 rotations", inference_only=True),
)


def choose_rows(names: Sequence[str] | None, has_silver: bool) -> list[Row]:
    """Return the named rows in the table's order, ``full`` always among them; by default all that apply.

    Raises
    ------
    InputError
        If there is no row of a name, or it does not apply to the data set.
    """
    if names is None:
        return [row for row in ROWS if has_silver or not row.needs_silver]
    known = {row.name: row for row in ROWS}
    for name in names:
        if name not in known:
            raise InputError(f"There is no row {name!r}; there are {', '.join(known)}.")
        if known[name].needs_silver and not has_silver:
            raise InputError(f"The row {name!r} needs a data set with gold truth of some frames and silver of others.")
    return [row for row in ROWS if row.name in {"full", *names}]


def read_overlays(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the keys that overlays set; of a key that several set, the last value."""
    return {key: value for path in paths for key, value in json.loads(path.read_text(encoding="utf-8")).items()}


def find_budget(name: str) -> Path:
    """Return the overlay of a budget: ``budgets/NAME.json``, or the file with that path.

    Raises
    ------
    InputError
        If there is no such file, or it is not a JSON object with keys of ``train.json``.
    """
    own = FOLDER / "budgets" / f"{name}.json"
    path = own if own.is_file() else Path(name)
    if not path.is_file():
        names = ", ".join(sorted(path.stem for path in (FOLDER / "budgets").glob("*.json")))
        raise InputError(f"There is no budget {name!r}; name one of {names}, or an overlay (JSON) of your own.")
    try:
        keys = set(json.loads(path.read_text(encoding="utf-8")).keys())
    except (ValueError, AttributeError) as error:
        raise InputError(f'The budget {path} is not a JSON object such as {{"tile": 252}} ({error}).') from error
    config = ConfigParser(ConfigParser.load_config_file(find_bundle() / "configs" / "train.json"))
    unknown = sorted(key for key in keys - PADDED_KEYS if key not in config)
    if unknown:
        raise InputError(f"The budget {path} has keys that train.json does not have: {', '.join(unknown)}.")
    return path
