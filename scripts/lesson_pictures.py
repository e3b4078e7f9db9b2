"""Make a folder of pictures to teach the starter with, of an object it never saw: a hedgehog or a teapot.

python scripts/lesson_pictures.py hedgehog lesson/hedgehog
"""

import argparse
from pathlib import Path

from inkbloom.training.starter.teaching import write_lesson


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="hedgehog or teapot")
    parser.add_argument("folder", type=Path, help="where 00.png, 00.txt and so on go")
    parser.add_argument("--count", type=int, default=8, help="how many pictures")
    arguments = parser.parse_args()
    write_lesson(arguments.folder, arguments.name, arguments.count)
    print(f"{arguments.count} pictures of a {arguments.name} are in {arguments.folder}.")


if __name__ == "__main__":
    main()
