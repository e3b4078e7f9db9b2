/**
 * Shapes as coverage: how much of each pixel a stroke, an outline or a fill covers, from 0 to 255.
 *
 * A stroke is the maximum over its pieces, so that going over a place twice within one stroke does not harden its edge.
 */
import { clamp, type Point } from "./geometry";

/** Whole pixels; right and bottom are the first outside. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Coverage {
  width: number;
  height: number;
  values: Uint8Array;
}

export interface Brush {
  /** In pixels of the picture. */
  radius: number;
  /** The part of the radius that is covered wholly, from 0 to 1. */
  hardness: number;
}

export function noCoverage(width: number, height: number): Coverage {
  return { width, height, values: new Uint8Array(width * height) };
}

export function isEmptyBox(box: Box): boolean {
  return box.left >= box.right || box.top >= box.bottom;
}

/** The smallest box around both; an empty one adds nothing. */
export function join(a: Box, b: Box): Box {
  if (isEmptyBox(a)) return b;
  if (isEmptyBox(b)) return a;
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

/** A piece of a stroke: all that lies within the brush of the line between two points. Returns the box it changed. */
export function coverSegment(coverage: Coverage, from: Point, to: Point, brush: Brush): Box {
  // One pixel of soft edge even at full hardness, so that outlines are smooth
  const outer = brush.radius + 0.5;
  const edge = Math.max(1, brush.radius * (1 - brush.hardness));
  const box = boxAround([from, to], outer, coverage);
  const along = { x: to.x - from.x, y: to.y - from.y };
  const length2 = along.x * along.x + along.y * along.y;
  for (let row = box.top; row < box.bottom; row++) {
    const y = row + 0.5 - from.y;
    for (let column = box.left; column < box.right; column++) {
      const x = column + 0.5 - from.x;
      const part = length2 === 0 ? 0 : clamp((x * along.x + y * along.y) / length2, 0, 1);
      const near = Math.hypot(x - part * along.x, y - part * along.y);
      if (near >= outer) continue;
      const t = Math.min(1, (outer - near) / edge);
      const value = Math.round(255 * t * t * (3 - 2 * t));
      const place = row * coverage.width + column;
      if (value > (coverage.values[place] ?? 0)) coverage.values[place] = value;
    }
  }
  return box;
}

/** The inside of an outline, which is closed by itself; where it crosses itself all of it counts (nonzero winding). */
export function coverPolygon(coverage: Coverage, points: readonly Point[]): Box {
  const box = boxAround(points, 0, coverage);
  for (let row = box.top; row < box.bottom; row++) {
    const crossings = crossingsAt(points, row + 0.5);
    let winding = 0;
    crossings.forEach(({ x, turn }, i) => {
      winding += turn;
      const next = crossings[i + 1];
      if (winding === 0 || next === undefined) return;
      // The pixels whose centres lie between the two crossings
      const start = clamp(Math.ceil(x - 0.5), 0, coverage.width);
      const end = clamp(Math.ceil(next.x - 0.5), start, coverage.width);
      coverage.values.fill(255, row * coverage.width + start, row * coverage.width + end);
    });
  }
  return box;
}

export function coverRectangle(coverage: Coverage, a: Point, b: Point): Box {
  return coverPolygon(coverage, [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }]);
}

/** What is connected with a point over pixels that are `alike` (by their place, row by row), edge to edge. */
export function coverFlood(coverage: Coverage, start: Point, alike: (place: number) => boolean): Box {
  const { width, height, values } = coverage;
  const nothing = { left: 0, top: 0, right: 0, bottom: 0 };
  const column = Math.floor(start.x);
  const row = Math.floor(start.y);
  if (column < 0 || row < 0 || column >= width || row >= height) return nothing;
  let box: Box = nothing;
  const waiting = [row * width + column];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    if (values[place] === 255 || !alike(place)) continue;
    const y = Math.floor(place / width);
    let left = place - y * width;
    let right = left + 1;
    while (left > 0 && alike(y * width + left - 1)) left--;
    while (right < width && alike(y * width + right)) right++;
    values.fill(255, y * width + left, y * width + right);
    box = join(box, { left, top: y, right, bottom: y + 1 });
    for (const next of [y - 1, y + 1]) {
      if (next < 0 || next >= height) continue;
      for (let x = left; x < right; x++) {
        const above = next * width + x;
        const starts = x === left || !alike(above - 1);
        if (starts && values[above] !== 255 && alike(above)) waiting.push(above);
      }
    }
  }
  return box;
}

function boxAround(points: readonly Point[], margin: number, { width, height }: Coverage): Box {
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  return {
    left: clamp(Math.floor(Math.min(...xs) - margin), 0, width),
    top: clamp(Math.floor(Math.min(...ys) - margin), 0, height),
    right: clamp(Math.ceil(Math.max(...xs) + margin), 0, width),
    bottom: clamp(Math.ceil(Math.max(...ys) + margin), 0, height),
  };
}

/** Where the outline crosses a horizontal line, from left to right, and whether it goes up or down there. */
function crossingsAt(points: readonly Point[], y: number): { x: number; turn: number }[] {
  const crossings: { x: number; turn: number }[] = [];
  points.forEach((a, i) => {
    const b = points[(i + 1) % points.length] ?? a;
    if (a.y <= y === b.y <= y) return;
    crossings.push({ x: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y < b.y ? 1 : -1 });
  });
  return crossings.sort((one, other) => one.x - other.x);
}
