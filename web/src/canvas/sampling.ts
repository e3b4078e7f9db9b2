/** What lies under a point: its colour, and which places are like it. */
import type { Point } from "./geometry";
import type { LayerName, Painting } from "./painting";
import { pixelsOf } from "./pixels";
import { useCanvas } from "./state";
import { hexOf } from "./tools";

/** Levels by which a channel may differ from the place that is filled. */
const ALIKE = 32;

/** Which places are filled together: of a mask those on one side of its edge, of a picture those of like colour. */
export function alikeAt(painting: Painting, layer: LayerName, start: Point): (place: number) => boolean {
  const { width } = painting.size;
  const from = Math.floor(start.y) * width + Math.floor(start.x);
  if (layer !== "sketch") {
    const { data } = painting.raster(layer);
    const inside = (data[from] ?? 0) >= 128;
    return (place) => (data[place] ?? 0) >= 128 === inside;
  }
  const pixels = pixelsOf(underSketch(painting), painting.size);
  const level = (place: number, channel: number) => pixels[4 * place + channel] ?? 0;
  return (place) => [0, 1, 2].every((channel) => Math.abs(level(place, channel) - level(from, channel)) <= ALIKE);
}

/** The colour that is seen there, as "#rrggbb"; null outside the picture. */
export function colourAt(painting: Painting, { x, y }: Point): string | null {
  const { width, height } = painting.size;
  if (x < 0 || y < 0 || x >= width || y >= height) return null;
  const pixels = pixelsOf(underSketch(painting), painting.size);
  const [red = 0, green = 0, blue = 0] = pixels.subarray(4 * (Math.floor(y) * width + Math.floor(x)));
  return hexOf([red, green, blue]);
}

function underSketch(painting: Painting): CanvasImageSource[] {
  const { base } = useCanvas.getState();
  return base ? [base, painting.seen("sketch")] : [painting.seen("sketch")];
}
