"""Prints the lower bounds of the dependencies as exact pins: the constraints of `make lowest`."""

import re
import sys
import tomllib
from pathlib import Path


def main() -> None:
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"]:
        name, bound = re.match(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement).groups()
        print(f"{name}=={bound}")


if __name__ == "__main__":
    main()
