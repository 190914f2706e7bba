"""nbval's sanitize file is found from whatever folder pytest is started in."""

from pathlib import Path

SANITIZE = Path(__file__).parent / "tests" / "nbval_sanitize.cfg"


def pytest_configure(config):
    config.option.nbval_sanitize_with = str(SANITIZE)
