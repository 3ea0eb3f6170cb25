"""``python -m unetpipe`` is the program ``unetpipe``."""

import sys

from unetpipe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
