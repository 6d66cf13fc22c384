"""Settings of all tests."""

from __future__ import annotations

import gc
import os
import sys

from hypothesis import settings

# How long an example takes is not what is tested; pytest's timeout ends what hangs. Everybody's
# runs look for new examples; those of CI say the same of the same commit.
settings.register_profile("tests", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tests")

# The example's library for Bitcoin needs Python 3.11.
collect_ignore = ["bitcoin", "gui"] if sys.version_info < (3, 11) else []


def pytest_collection_finish() -> None:
    """Many tests collect garbage, to see what is left: let them not look at what pytest has."""
    gc.collect()
    gc.freeze()
