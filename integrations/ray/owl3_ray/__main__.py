"""Lets `python -m owl3_ray` run the command."""

import sys

from owl3_ray.cli import main

sys.exit(main())
