"""``python -m jobrunr.cli``: the command line, where the script ``jobrunr`` is not in the PATH."""

from jobrunr.cli.root import main

main()
