/** Where things lie: points of the screen and of the picture, zooming and panning, and the frame that extends it. */

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** How the picture is shown: a point p of it lies at scale * p + (x, y) on the screen, in CSS pixels. */
export interface View extends Point {
  scale: number;
}

/** Pixels by which the picture is extended on each side. */
export interface Margins {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** An edge or a corner of the frame, by the sides that it moves. */
export type Handle = readonly (keyof Margins)[];

export const HANDLES: readonly Handle[] = [
  ["left", "top"],
  ["top"],
  ["right", "top"],
  ["right"],
  ["right", "bottom"],
  ["bottom"],
  ["left", "bottom"],
  ["left"],
];

export const NO_MARGINS: Margins = { left: 0, top: 0, right: 0, bottom: 0 };

/** What the request allows: multiples of this, for each side and for the whole. */
export const MULTIPLE = 8;
export const MOST_MARGIN = 4096;
export const MOST_SIDE = 8192;

const SMALLEST_SCALE = 0.02;
const LARGEST_SCALE = 32;
/** CSS pixels of the picture that stay in sight, however far it is moved. */
const IN_SIGHT = 48;

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

export function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

export function extended({ width, height }: Size, { left, top, right, bottom }: Margins): Size {
  return { width: width + left + right, height: height + top + bottom };
}

export function toPicture(view: View, screen: Point): Point {
  return { x: (screen.x - view.x) / view.scale, y: (screen.y - view.y) / view.scale };
}

/** The view in which all of the picture with its margins is seen, centred; small ones are not enlarged past `most`. */
export function fit(picture: Size, margins: Margins, screen: Size, padding = 24, most = 4): View {
  const { width, height } = extended(picture, margins);
  const room = { width: Math.max(1, screen.width - 2 * padding), height: Math.max(1, screen.height - 2 * padding) };
  const scale = clamp(Math.min(room.width / width, room.height / height, most), SMALLEST_SCALE, LARGEST_SCALE);
  return {
    scale,
    x: (screen.width - width * scale) / 2 + margins.left * scale,
    y: (screen.height - height * scale) / 2 + margins.top * scale,
  };
}

/** The view zoomed by `factor` so that the picture's point under `at` stays there. */
export function zoomAt(view: View, at: Point, factor: number): View {
  const scale = clamp(view.scale * factor, SMALLEST_SCALE, LARGEST_SCALE);
  const point = toPicture(view, at);
  return { scale, x: at.x - point.x * scale, y: at.y - point.y * scale };
}

/** The view after two fingers went from one pair of places to another: what was between them still is. */
export function pinch(view: View, from: readonly [Point, Point], to: readonly [Point, Point]): View {
  const before = middle(from);
  const after = middle(to);
  const zoomed = zoomAt(view, before, distance(...to) / Math.max(1, distance(...from)));
  return { ...zoomed, x: zoomed.x + after.x - before.x, y: zoomed.y + after.y - before.y };
}

/** The view moved back so far that some of the picture is in sight. */
export function keepInSight(view: View, picture: Size, screen: Size): View {
  return {
    ...view,
    x: clamp(view.x, IN_SIGHT - picture.width * view.scale, screen.width - IN_SIGHT),
    y: clamp(view.y, IN_SIGHT - picture.height * view.scale, screen.height - IN_SIGHT),
  };
}

/** A margin that the request takes: a multiple of 8 that leaves the whole side at most 8192. */
export function snapMargin(pixels: number, rest: number): number {
  const most = clamp(Math.floor((MOST_SIDE - rest) / MULTIPLE) * MULTIPLE, 0, MOST_MARGIN);
  return clamp(Math.round(pixels / MULTIPLE) * MULTIPLE, 0, most);
}

/** Margins after a handle was dragged by `by`, in pixels of the picture, from where they were `start`. */
export function dragFrame(start: Margins, handle: Handle, by: Point, picture: Size): Margins {
  const margins = { ...start };
  for (const side of handle) {
    if (side === "left") margins.left = snapMargin(start.left - by.x, picture.width + start.right);
    if (side === "right") margins.right = snapMargin(start.right + by.x, picture.width + start.left);
    if (side === "top") margins.top = snapMargin(start.top - by.y, picture.height + start.bottom);
    if (side === "bottom") margins.bottom = snapMargin(start.bottom + by.y, picture.height + start.top);
  }
  return margins;
}

/** Where a handle lies, in pixels of the picture. */
export function handlePlace(handle: Handle, margins: Margins, picture: Size): Point {
  const left = -margins.left;
  const right = picture.width + margins.right;
  const top = -margins.top;
  const bottom = picture.height + margins.bottom;
  return {
    x: handle.includes("left") ? left : handle.includes("right") ? right : (left + right) / 2,
    y: handle.includes("top") ? top : handle.includes("bottom") ? bottom : (top + bottom) / 2,
  };
}

function middle([a, b]: readonly [Point, Point]): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}
