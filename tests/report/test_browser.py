"""The report in a browser: its pictures are there, and nothing is asked of the network, in light and dark."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from torch.utils.tensorboard import SummaryWriter

from unetpipe.datasets import find_records, read_truth
from unetpipe.io import read_image
from unetpipe.report import Gallery, ScoredFrame, write_report

LAPTOP = (1366, 768)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium with chromedriver: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={LAPTOP[0]},{LAPTOP[1]}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module")
def report(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on synthetic frames with a merge, a miss and an invented object in each, with curves."""
    folder = tmp_path_factory.mktemp("report")
    gallery = Gallery()
    for record in find_records(synthetic):
        truth, known = read_truth(record)
        result = truth.copy()
        result[result == 2] = 1
        result[result == 3] = 0
        result[:6, :6] = 99
        gallery.add(ScoredFrame(record["mask_name"] + "<i>", truth, result, read_image(record["image"]), known))
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for epoch in range(1, 6):
            writer.add_scalar("train_loss", 1 / epoch, epoch, walltime=1000 + epoch)
    arguments = {"data": "PhC-C2DH-U373", "settings": {"seed": 0, "<b>": "</table>"}, "logs": folder / "tensorboard"}
    write_report(folder / "report.html", gallery, "A <title> & more", **arguments)
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_there_and_nothing_is_fetched(scheme: str, browser: webdriver.Chrome, report: Path) -> None:
    scheme_feature = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme_feature})
    browser.get_log("performance")  # what came before
    browser.get(report.as_uri())
    assert browser.title == "A <title> & more – unetpipe"
    sizes = browser.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.alt.length > 0])"
    )
    assert sizes == [[True, 128, 96, True]] * 12  # six frames, each alone and with outlines
    assert browser.execute_script("return document.querySelectorAll('.overlay .fill.merged').length") == 6
    assert all(path.size["width"] > 0 for path in browser.find_elements("css selector", ".overlay .fill"))

    requests = [
        message["params"]["request"]["url"]
        for message in (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert report.as_uri() in requests  # the log works
    assert {url.partition(":")[0] for url in requests if url != report.as_uri()} <= {"data"}
    assert browser.get_log("browser") == []

    red, green, blue = browser.execute_script(
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (red + green + blue > 3 * 128) == (scheme == "light")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_layers_can_be_hidden(browser: webdriver.Chrome, report: Path) -> None:
    browser.get(report.as_uri())
    truth = browser.find_element("css selector", ".overlay .truth")
    assert truth.is_displayed()
    browser.find_element("id", "show-truth").click()
    assert not truth.is_displayed()
    assert browser.find_element("css selector", ".overlay .result").is_displayed()


def test_the_first_frame_fits_a_laptop(browser: webdriver.Chrome, report: Path) -> None:
    """Image and overlay stand side by side, and what explains the colours is on the screen before them."""
    browser.get(report.as_uri())
    alone, outlined = browser.find_elements("css selector", ".frame:first-of-type .picture")
    assert alone.rect["y"] == outlined.rect["y"]
    assert outlined.rect["x"] + outlined.rect["width"] <= LAPTOP[0]
    assert np.isclose(alone.rect["width"] / alone.rect["height"], 128 / 96, rtol=0.02)
