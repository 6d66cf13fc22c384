"""`python -m mpipc`: the command without an installed script."""

import sys

from mpipc.cli import main

sys.exit(main())
