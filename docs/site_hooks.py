"""Hooks of MkDocs: pages of the repository outside ``docs/``, and the notebooks, become pages of the site."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

REPOSITORY = Path(__file__).resolve().parent.parent
WORKER = "https://unpkg.com/iframe-worker/shim"
PAGES = {  # page of the site: file of the repository
    "bundle.md": "bundles/unet_isbi/docs/README.md",
    "models.md": "bundles/unet_isbi/models/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "experiments.md": "experiments/README.md",
    "formats.md": "data/README.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and turn each notebook into a page beside its file."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=_relinked((REPOSITORY / source).read_text(encoding="utf-8"))))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = file.src_uri.replace(".ipynb", ".md")
        files.append(File.generated(config, page, content=notebook_page(Path(file.abs_src_path or ""))))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point links that work in the repository to the pages of the site."""
    for target, source in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({target}")
    if not page.file.src_uri.startswith("notebooks/"):  # they link to the file itself
        markdown = re.sub(r"\]\((notebooks/\w+)\.ipynb\)", r"](\1.md)", markdown)
    return markdown


def on_page_content(html: str, **_: object) -> str:
    """Take away the roles of Sphinx from docstrings, which are written for ``help()``, and mark options of commands."""
    html = re.sub(r":(?:attr|class|data|func|meth|mod):(?=<code>)", "", html)
    return re.sub(r'<div class="language-bash.*?</div>', _with_whole_options, html, flags=re.DOTALL)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Load the script that searches a site opened as a file from the site, not from the network."""
    return output.replace(WORKER, get_relative_url("iframe-worker.js", page.url))


def on_post_template(output_content: str, **_: object) -> str:
    """Likewise for the page that says that a page is missing."""
    return output_content.replace(WORKER, "iframe-worker.js")


def notebook_page(path: Path) -> str:
    """Return a notebook without outputs as Markdown, with a link to the notebook below its title."""
    title, *rest = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = ["".join(title["source"]), f"[Download this notebook]({path.name})"]
    for cell in rest:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _with_whole_options(block: re.Match[str]) -> str:
    """Mark the options in a block of commands, so that the style can keep a browser from wrapping them at a hyphen."""
    return re.sub(r"--[a-z][a-z-]*", r'<span class="option">\g<0></span>', block[0])


def _relinked(text: str) -> str:
    """Point links to files of the repository that are pages of the site to these pages."""
    names = {Path(source).name: page for page, source in PAGES.items() if Path(source).name != "README.md"}

    def target(match: re.Match[str]) -> str:
        name = match[1].removeprefix("../").removeprefix("docs/")
        return f"]({names.get(name, name)}{match[2] or ''})"

    return re.sub(r"\]\(([\w./-]+\.md)(#[\w-]+)?\)", target, text)
