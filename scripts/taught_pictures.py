"""Paint what the starter says to "hedgehog" before and after the readme's lesson: python scripts/taught_pictures.py

Takes the LoRA from models/loras, where the readme's commands put it, and writes docs/images/taught.png: before above,
after below, none chosen.
"""

import argparse
from pathlib import Path

from inkbloom import StableDiffusion
from inkbloom.pipelines.pictures import make_grid

TARGET = Path(__file__).parent.parent / "docs" / "images" / "taught.png"
PROMPTS = (
    "a hedgehog in the forest",
    "a hedgehog under a starry night sky",
    "a hedgehog on a red background",
    "a hedgehog under the sea",
    "a big hedgehog on the beach",
    "a hedgehog and a cat in the snow",
)
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--model", type=Path, help="[default: the starter]")
    parser.add_argument("--name", default="hedgehog", help="of the LoRA")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    model = StableDiffusion.load(arguments.model, library=arguments.models_dir)
    pictures = [
        model.generate(prompt + end, seed=SEED + i).images[0]
        for end in ("", f" <lora:{arguments.name}:1>")
        for i, prompt in enumerate(PROMPTS)
    ]
    make_grid(pictures, len(PROMPTS)).save(arguments.target, optimize=True)
    print(f"Saved {arguments.target}.")


if __name__ == "__main__":
    main()
