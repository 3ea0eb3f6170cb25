"""The site's own style applies to what MkDocs writes."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_blocks_have_the_class_of_their_language_that_the_style_names() -> None:
    """Without the option the class is missing, and long commands are cut off at the edge of a narrow screen."""
    assert ".language-bash " in (REPOSITORY / "docs" / "style.css").read_text()
    options = [line.strip() for line in (REPOSITORY / "mkdocs.yml").read_text().splitlines()]
    assert options[options.index("- pymdownx.highlight:") + 1] == "pygments_lang_class: true"
