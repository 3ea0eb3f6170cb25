"""What several files say about the project agrees: versions, Pythons, dependencies, and what the archives hold."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from unetpipe import __version__
from unetpipe.bundle.writing import find_bundle

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PUBLIC = {"github.com", "download.pytorch.org", "pypi.org"}  # hosts that what others run may name


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def tracked() -> set[str]:
    """The files of the repository; skips where there is none, as in an unpacked sdist."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git repository")
    return {name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).exists()}


def pins(name: str) -> dict[str, str]:
    lines = [line.partition("#")[0].strip() for line in text(name).splitlines()]
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}


def declared() -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines if not line.startswith("unetpipe[")]


def test_one_version() -> None:
    metadata = json.loads((find_bundle() / "configs" / "metadata.json").read_text(encoding="utf-8"))
    newest = re.search(r"^## \[?(\d[\w.]*)\]?", text("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert {
        "bundle": metadata["version"],
        "required by the bundle": metadata["required_packages_version"]["unetpipe"],
        "citation": yaml.safe_load(text("CITATION.cff"))["version"],
        "changelog": newest[1],
    } == dict.fromkeys(("bundle", "required by the bundle", "citation", "changelog"), __version__)


def test_the_table_of_rooms_follows_the_layers_that_are_checked() -> None:
    _, table = text("CONTRIBUTING.md").split("| room | what it holds |\n| --- | --- |\n")
    rows = table.partition("\n\n")[0].splitlines()
    named = [name for row in rows for name in re.findall(r"`([\w.]+)/?`", row.split("|")[1])]
    there = {path.name for path in (REPOSITORY / "unetpipe").iterdir() if not path.name.startswith("__")}
    assert set(named) == there
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    layer = {room: number for number, line in enumerate(layers) for room in line.split(" : ")}
    numbers = [layer[f"unetpipe.{name.removesuffix('.py')}"] for name in named]
    assert numbers == sorted(numbers)


def test_the_changelog_has_the_headings_of_keep_a_changelog() -> None:
    headings = re.findall(r"^(##+) (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for level, heading in headings:
        if level == "##":
            assert re.fullmatch(r"\[(Unreleased|\d+\.\d+\.\d+)\]( - (\d{4}-\d\d-\d\d|Unreleased))?", heading)
            left = list(kinds)
        else:
            assert level == "###"
            left = left[left.index(heading) + 1 :]  # each at most once in a version, in this order


def test_the_citation_says_what_the_package_says() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["title"] == PROJECT["name"]
    assert citation["license"] == PROJECT["license"]
    assert citation["abstract"] == PROJECT["description"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def test_the_bundle_says_what_the_tests_use() -> None:
    metadata = json.loads((find_bundle() / "configs" / "metadata.json").read_text(encoding="utf-8"))
    tested = pins("constraints.txt")
    assert metadata["monai_version"] == tested["monai"]
    assert metadata["pytorch_version"] == tested["torch"]
    assert metadata["numpy_version"] == tested["numpy"]
    others = {name: version for name, version in metadata["required_packages_version"].items() if name != "unetpipe"}
    assert others == {name: tested[name] for name in others}


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_requirement_has_a_lower_bound_and_admits_the_tested_version(requirement: Requirement) -> None:
    assert any(bound.operator in (">=", "==") for bound in requirement.specifier)
    version = pins("constraints.txt").get(canonicalize_name(requirement.name))
    assert version is None or requirement.specifier.contains(version, prereleases=True)


def test_pythons_are_the_same_everywhere() -> None:
    classified = [line.split()[-1] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    matrix = yaml.safe_load(text(".github/workflows/tests.yml"))["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == classified
    assert PROJECT["requires-python"] == f">={classified[0]}"
    configuration = tomllib.loads(text("pyproject.toml"))
    assert configuration["tool"]["ruff"]["target-version"] == f"py{classified[0].replace('.', '')}"


def test_workflows_run_environments_that_tox_has() -> None:
    known = set(re.findall(r"^\[testenv:(\w+)\]", text("tox.ini"), re.MULTILINE)) | {"py"}
    for path in (REPOSITORY / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            rows = job.get("strategy", {}).get("matrix", {}).get("include", [])
            steps = " ".join(step.get("run", "") for step in job["steps"])
            asked = {name for name in re.findall(r"tox run -e (\w+)", steps)} | {row["environment"] for row in rows}
            assert asked <= known


def test_what_others_run_names_public_hosts_only() -> None:
    names = ["Dockerfile", "environment.yml", "pyproject.toml", "tox.ini", "constraints.txt", ".pre-commit-config.yaml"]
    names += [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / ".github").rglob("*.*ml")]
    found = {host for name in names for host in re.findall(r"https?://([\w.-]+)", text(name))}
    assert found <= PUBLIC
    assert PROJECT.get("urls", {}) == {}


def test_the_image_copies_what_it_installs() -> None:
    copied = {
        part for line in re.findall(r"^COPY (.*)$", text("Dockerfile"), re.MULTILINE) for part in line.split()[:-1]
    }
    allowed = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert copied == allowed
    build = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {path.split("/")[0] for path in [*build["packages"], *build["force-include"]]}
    assert needed | {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= copied
    extras = re.findall(r"\.\[([\w,]+)\]", text("Dockerfile") + text("environment.yml"))
    assert len(extras) == 2
    assert all(set(names.split(",")) <= PROJECT["optional-dependencies"].keys() for names in extras)


def test_the_sdist_holds_the_repository() -> None:
    """Whoever has it can run lint, tests and experiments, and build the documentation."""
    files = tracked()
    held = {file.relative_path.replace("\\", "/") for file in SdistBuilder(str(REPOSITORY)).recurse_included_files()}
    assert files - held == set()


def test_templates_are_forms() -> None:
    for path in (REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name == "config.yml":
            continue
        assert {"name", "description", "body"} <= form.keys()
        assert all(part["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes") for part in form["body"])
        assert len({part["id"] for part in form["body"]}) == len(form["body"])
