"""Compare the installed versions with the lower bounds of pyproject.toml: a tool that resolves them may raise some.

``tox run -e lowest`` runs this file before the tests.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# torch has the version of constraints.txt; zarr needs numpy 2, and only the label environment has the lowest numpy
OTHERS = {"torch", "numpy"}


def requirements(project: Mapping, extra: str) -> list[Requirement]:
    """Return what a project needs here with an extra, and with those extras of its own that this one names."""
    found = []
    for line in [*project["dependencies"], *project["optional-dependencies"][extra]]:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if requirement.name == project["name"]:
            for inner in sorted(requirement.extras):
                found += requirements(project, inner)
        else:
            found.append(requirement)
    return found


def not_lowest(needed: Iterable[Requirement], version_of: Callable[[str], str]) -> list[str]:
    """Say what is installed in another version than the highest of its lower bounds, apart from ``OTHERS``."""
    bounds: dict[str, Version] = {}
    for requirement in needed:
        name = canonicalize_name(requirement.name)
        for bound in requirement.specifier:
            if bound.operator in (">=", "=="):
                bounds[name] = max(Version(bound.version), bounds.get(name, Version("0")))
    return [
        f"{name} {version_of(name)} is installed, its lower bound is {bound}"
        for name, bound in bounds.items()
        if name not in OTHERS and Version(version_of(name)) != bound
    ]


if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.exit("\n".join(not_lowest(requirements(project, "test"), metadata.version)))
