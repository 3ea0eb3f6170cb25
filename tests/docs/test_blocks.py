"""Every command and code block of the README and the documentation runs, or says why not and has its options parsed.

So have the commands in sentences. The blocks of a page run in order, in a folder that holds what the pages name:
``images``, ``my-data``, a set of the Cell Tracking Challenge and so on, all synthetic. Trainings are shortened to two
steps.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import fire
import numpy as np
import pytest
import tifffile
from membranes import membranes
from monai.bundle import ckpt_export, onnx_export
from monai.bundle import run as run_bundle
from PIL import Image

import unetpipe.bundle.workflow
import unetpipe.training.train
from unetpipe.cli.main import main
from unetpipe.datasets import write_synthetic_ctc
from unetpipe.datasets.synthetic import synthetic_frame, write_synthetic_ome_zarr
from unetpipe.io import write_labels

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("*/README.md"),
        *REPOSITORY.glob(".github/**/*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("bundles/**/*.md"),
    ]
)
LANGUAGES = {"bash", "python", "text"}
PROGRAMS = {"bioimageio", "cp", "curl", "mkdir", "monailabel", "napari"}  # of others, in blocks that are not run
COMMAND = re.compile(r"\$ |(unetpipe|python|pip|torchrun|curl)\b")
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
SHORT: dict[str, Any] = {"max_epochs": 1, "steps_per_epoch": 2, "num_workers": 0, "progress": False}
SMALL: dict[str, Any] = {"channels": [4, 8], "tile": 66}
# what a page needs besides the folder that all have; a page that trains makes its own "trained"
NEEDS_TRAINED = {"python.md", "scoring.md", "tables.md"}


class Block(NamedTuple):
    language: str
    code: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    return [Block(found["language"], found["code"], found["reason"]) for found in BLOCK.finditer(page.read_text())]


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_its_language(page: Path) -> None:
    assert page.read_text().count("\n```") == 2 * len(blocks(page))  # none is left open, or nested
    assert {block.language for block in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_block_escapes(page: Path) -> None:
    """Markdown also takes indented text, tildes and HTML for code; and a command is no text."""
    assert not re.findall(r"^ *~~~|^ +```|<pre\b|(?<=\n\n)(?: {4}|\t)\S.*", page.read_text(), re.MULTILINE)
    for block in blocks(page):
        if block.language == "text":
            assert not [line for line in block.code.splitlines() if COMMAND.match(line)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_sentences_have_the_options_that_they_name(page: Path) -> None:
    sentences = re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", page.read_text()))
    for words in (words for code in sentences if COMMAND.match(code) for words in commands(code.replace("\n", " "))):
        options = {word.partition("=")[0] for word in words if re.match(r"--\w", word)}
        match words:
            case ["unetpipe", verb, *_] if not verb.startswith("-"):
                parser = argparse.ArgumentParser()
                import_module(f"unetpipe.cli.{verb}").add_arguments(parser)
                assert options <= parser._option_string_actions.keys(), words
            case ["python", "-m", module, *_] if module.startswith(("experiments.", "benchmarks")):
                assert "NAME" in module or find_spec(module), words
            case ["python", script, *_] if script.endswith(".py"):
                assert (REPOSITORY / script).is_file(), words
            case ["python", "-m", "pip" | "tox", _, *_] | ["pip", _, *_]:
                assert is_set_up(words), words


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.language in ("bash", "python") for b in blocks(page))], ids=name
)
def test_blocks_run(page: Path, world: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "world"
    shutil.copytree(world, folder, symlinks=True)
    if page.name in NEEDS_TRAINED:
        shutil.copytree(trained, folder / "trained")
    monkeypatch.chdir(folder)
    shorten(monkeypatch)
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python":
            code = compile(block.code, f"{name(page)}: {block.code[:60]!r}", "exec")
            if block.reason is None:
                exec(code, names)
        elif block.language == "bash":
            for command in commands(block.code):
                (parse if block.reason else execute)(command, monkeypatch)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    for number, letter in enumerate("abcd"):
        image, cells = synthetic_frame(np.random.default_rng(number), (128, 160))
        places = ["my-data"] + (["."] if letter in "ab" else []) + (["held-out"] if letter in "cd" else [])
        for place in places:
            (folder / place / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / place / "images" / f"{letter}.tif")
            if place != ".":
                write_labels(folder / place / "masks" / f"{letter}.tif", cells)
    write_synthetic_ctc(folder / "DIC-C2DH-HeLa", sequences=2, frames=2, shape=(96, 128))
    write_synthetic_ome_zarr(folder / "slide.ome.zarr", (200, 250))
    stack = membranes(folder / "isbi2012")
    volume = tifffile.imread(stack / "train-volume.tif")
    tifffile.imwrite(stack / "test-volume.tif", volume, photometric="minisblack")
    (folder / "bundles").symlink_to(REPOSITORY / "bundles")
    return folder


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings take two steps, of a small network unless they begin with the weights of a model."""
    opened = unetpipe.bundle.workflow.open_workflow

    def open_workflow(configs: Sequence[str], kind: str, values: Mapping[str, Any]) -> Any:
        if kind == "infer" or any(Path(config).name == "evaluate.json" for config in configs):
            return opened(configs, kind, values)
        begins_with_weights = "network_class" in values
        return opened(configs, kind, {**values, **SHORT, **({"tile": 252} if begins_with_weights else SMALL)})

    for module in (unetpipe.bundle.workflow, unetpipe.training.train):
        monkeypatch.setattr(module, "open_workflow", open_workflow)


def commands(code: str) -> Iterator[list[str]]:
    """Yield the commands of a block, split into words, with variables of the shell in place."""
    variables: dict[str, str] = {}
    for line in code.replace("\\\n", " ").splitlines():
        for key, value in variables.items():
            line = line.replace(f"${key}", value)
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):  # VARIABLE=value, alone or before a command
            key, _, variables[key] = words.pop(0).partition("=")
        while "&&" in words:
            yield words[: words.index("&&")]
            words = words[words.index("&&") + 1 :]
        if words:
            yield words


def execute(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command in this process. What installs or sets up is only checked."""
    if words[0] == "unetpipe":
        assert run_main(words[1:]) == 0, shlex.join(words)
    elif words[:3] == ["python", "-m", "monai.bundle"]:
        if "training" in words:
            short = {**SHORT, **SMALL}
            words = [*words, *(part for key, value in short.items() for part in (f"--{key}", str(value)))]
        run_monai(words[3:], monkeypatch)
    elif not is_set_up(words):
        pytest.fail(f"No test runs {shlex.join(words)}; if it cannot run, say why by <!-- not run: … --> above it.")


def run_main(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:  # --version and --help
        return int(end.code or 0)


def run_monai(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["monai.bundle", *arguments])
    fire.Fire({"run": run_bundle, "ckpt_export": ckpt_export, "onnx_export": onnx_export}, command=arguments)


def is_set_up(words: list[str]) -> bool:
    """Check a command that installs something or begins an environment; False if it is another command."""
    match words:
        case ["python", "-m", "pip", "install", *rest] | ["pip", "install", *rest]:
            check_requirements(rest)
        case ["python", "-m", "tox", "run", *rest] | ["python", "-m", "tox", "run-parallel", "--parallel-live", *rest]:
            check_tox(rest)
        case ["python", "-m", "venv", _] | [".", _]:
            pass
        case _:
            return False
    return True


def check_requirements(arguments: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    options = argparse.ArgumentParser()
    options.add_argument("-c", type=lambda file: (REPOSITORY / file).resolve(strict=True))
    options.add_argument("requirement", nargs="+")
    for requirement in options.parse_args(arguments).requirement:
        extras = re.fullmatch(r"(?:unetpipe|\.)(?:\[([\w,]+)\])?", requirement)
        assert extras or requirement == "tox", requirement
        if extras and extras[1]:
            assert set(extras[1].split(",")) <= set(project["optional-dependencies"]), requirement


def check_tox(arguments: list[str]) -> None:
    options = argparse.ArgumentParser()
    options.add_argument("-e", action="append", default=[])
    options.add_argument("rest", nargs="*")
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments  # the rest is pytest's
    for environment in options.parse_args(own).e:
        assert environment == "py" or f"[testenv:{environment}]" in (REPOSITORY / "tox.ini").read_text(), environment


class Parsed(Exception):
    """The options of a command are right."""


def parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the options of a command that cannot run here to its own parser."""
    if words[0] == "torchrun":
        words = ["python", *words[words.index("-m") :]]
    match words:
        case ["unetpipe", verb, *arguments]:
            with monkeypatch.context() as patch:
                patch.setattr(import_module(f"unetpipe.cli.{verb}"), "run", lambda options: None)
                assert run_main([verb, *arguments]) == 0, shlex.join(words)
        case ["python", "-m", "monai.bundle", _, *arguments]:
            check_keys(arguments)
        case ["python", "-m", module, *arguments] if module.startswith(("experiments.", "benchmarks")):
            parse_only(module, arguments, monkeypatch)
        case ["python", "-c", code]:
            ast.parse(code)
        case [program, *_] if program in PROGRAMS:
            pass
        case _:
            assert is_set_up(words), shlex.join(words)


def parse_only(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a module until its options are parsed."""
    whole = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, *given: Any, **named: Any) -> None:
        try:
            whole(parser, *given, **named)
        except SystemExit:
            pytest.fail(f"{parser.prog} does not take {shlex.join(arguments)}")
        raise Parsed

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        patch.setattr(sys, "argv", ["program", *arguments])
        with pytest.raises(Parsed):
            runpy.run_module(module, run_name="__main__")


def check_keys(arguments: list[str]) -> None:
    """Check that a run of MONAI names configs that exist and keys that they have."""
    arguments = arguments if arguments[0].startswith("--") else arguments[1:]  # without "training" or "evaluating"
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    named = given.pop("--config_file", "[]")
    files = ast.literal_eval(named) if named.startswith("[") else [named]
    configs = [json.loads(_config(file).read_text()) for file in files]
    keys = {"--bundle_root", *(f"--{key}" for config in configs for key in config)}
    assert {key.split("#")[0] for key in given} <= keys, given


def _config(file: str) -> Path:
    """Return a config of the repository; one of a trained bundle is that of the installed one."""
    path = REPOSITORY / file
    return path if path.exists() else REPOSITORY / "bundles" / "unet_isbi" / "configs" / Path(file).name
