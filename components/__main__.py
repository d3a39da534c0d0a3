"""Hosts the components as the Pulumi package `foldstack`; the engine starts it as `python components`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # import `components` as a program does

from pulumi.provider import main  # noqa: E402

from components.package import Package  # noqa: E402

if __name__ == "__main__":
    main(Package(), sys.argv[1:])
