"""Run the command as ``python -m textclf``."""

import sys

from textclf.app import main

sys.exit(main())
