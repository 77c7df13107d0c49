"""Make the README's picture of the report: a standard run's page as a headless Chromium shows it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from gradaudit import command_line
from tests.browser import browser, open_page

PICTURE = Path(__file__).parent / "page.png"


def main() -> int:
    """Run the audit, open its page, save what is seen."""
    with tempfile.TemporaryDirectory() as folder, browser() as driver:
        status = command_line.main(["run", "--out", folder])
        open_page(driver, Path(folder) / "index.html", width=1280, height=960)
        driver.save_screenshot(str(PICTURE))
    return status


if __name__ == "__main__":
    sys.exit(main())
