"""More resolution: enlarging pictures, the high-resolution second pass, tiles."""
