"""Where things are: the checkout, and implementations as users write them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPLEMENTATIONS = ROOT / "tests" / "implementations"
