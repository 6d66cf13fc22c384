"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is not what is tested; pytest's timeout ends what hangs.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
