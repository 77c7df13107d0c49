"""The page in a browser: it fits, it filters and sorts, it asks for nothing and raises no error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gradaudit import command_line
from tests.browser import CHROMIUM, DRIVER, browser, open_page, requests
from tests.copies import file as implementation

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no Chromium with its driver here")
WRONG = f"{implementation('mistaken')}:mean_missing"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of frameworks, and a candidate's."""
    right, wrong = tmp_path_factory.mktemp("right"), tmp_path_factory.mktemp("wrong")
    command_line.main(["run", "--cases", "quick", "--frameworks", "numpy", "--out", str(right)])
    command_line.main(["candidate", WRONG, "--cases", "quick", "--out", str(wrong)])
    return {"run": right / "index.html", "candidate": wrong / "index.html"}


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["run", "candidate"])
def test_the_page_fits_and_is_quiet(which: str, width: int, scheme: str, driver: Any, pages: dict[str, Path]) -> None:
    """Nothing is wider than the window, no request leaves the page, no error is logged."""
    requests(driver), driver.get_log("browser")
    open_page(driver, pages[which], width, 900, scheme)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert requests(driver) == [pages[which].as_uri()]
    assert driver.get_log("browser") == []
    dark = driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
    assert dark == (scheme == "dark")


def test_the_misprint_and_the_worst_finding_are_within_the_first_screen(driver: Any, pages: dict[str, Path]) -> None:
    open_page(driver, pages["run"], 1280, 900)
    cards = driver.execute_script("return document.querySelector('.cards').getBoundingClientRect().bottom")
    text = driver.execute_script("return document.querySelector('.cards').innerText")
    assert cards < 900
    assert "misprint" in text
    assert "Worst error/bound" in text


def shown(driver: Any) -> list[str]:
    """The cases of the findings that are shown, in their order."""
    script = "return [...document.querySelectorAll('.finding')].filter(f => !f.hidden).map(f => f.dataset.case)"
    return list(driver.execute_script(script))


def test_findings_are_filtered_and_sorted(driver: Any, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    open_page(driver, pages["candidate"], 1280, 900)
    every = shown(driver)
    driver.find_element(By.ID, "filter").send_keys("kinks float32")
    some = shown(driver)
    assert 0 < len(some) < len(every)
    assert all("kinks" in case and "float32" in case for case in some)
    driver.find_element(By.ID, "filter").clear()
    driver.find_element(By.ID, "filter").send_keys("wrong")
    Select(driver.find_element(By.ID, "sort")).select_by_value("case")
    assert sorted(shown(driver)) == sorted(every)
    assert shown(driver) != every
    shapes = [case.partition("-")[0] for case in shown(driver)]
    assert shapes == sorted(shapes)
    assert driver.get_log("browser") == []


def test_a_table_is_sorted_by_a_click_or_a_key_on_its_heading(driver: Any, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    open_page(driver, pages["candidate"], 1280, 900)
    script = "return [...document.querySelectorAll('#tensors + div tbody tr')].map(r => +r.cells[1].textContent)"
    heading = driver.find_elements(By.CSS_SELECTOR, "#tensors + div thead button")[1]
    heading.click()
    assert driver.execute_script(script) == sorted(driver.execute_script(script))
    heading.send_keys(Keys.ENTER)
    assert driver.execute_script(script) == sorted(driver.execute_script(script), reverse=True)


def test_without_scripts_everything_is_there(pages: dict[str, Path]) -> None:
    """What the tools would do is hidden; no finding is."""
    page = pages["candidate"].read_text()
    assert '<div class="tools" data-script hidden>' in page
    findings = (pages["candidate"].parent / "findings.jsonl").read_text()
    assert page.count('<article class="finding"') == findings.count('"verdict": "wrong"') > 70
