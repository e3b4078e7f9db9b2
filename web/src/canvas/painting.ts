/** A picture's layers while they are painted: a mask, a sketch, and a mask for each part of the prompt. */
import { type Box, type Coverage, isEmptyBox, join, noCoverage } from "./coverage";
import type { Size } from "./geometry";
import { History } from "./history";
import {
  asSeen,
  blank,
  type Colour,
  cut,
  exchange,
  isEmpty,
  lay,
  type Paint,
  type Patch,
  type Raster,
  wholeBox,
} from "./raster";

/** A region's number is that of its part of the prompt, from 1. */
export type LayerName = "mask" | "sketch" | `region${number}`;

export type Command = "fill" | "invert" | "clear";

const MASK_TINT: Colour = [235, 60, 150]; // a colour that skies, skin, leaves and stone seldom have
const REGION_TINTS: readonly Colour[] = [
  [230, 85, 60],
  [35, 165, 95],
  [150, 90, 220],
  [225, 160, 20],
  [20, 160, 185],
  [90, 110, 240],
];

export function tintOf(layer: LayerName): Colour {
  if (!layer.startsWith("region")) return MASK_TINT;
  return REGION_TINTS[(Number(layer.slice(6)) - 1) % REGION_TINTS.length] ?? MASK_TINT;
}

interface Layer {
  raster: Raster;
  /** The same for the screen. */
  seen: HTMLCanvasElement;
}

interface Change {
  layer: LayerName;
  patch: Patch;
}

interface Stroke {
  layer: LayerName;
  paint: Paint;
  before: Uint8ClampedArray<ArrayBuffer>;
  coverage: Coverage;
  box: Box;
}

const NOTHING: Box = { left: 0, top: 0, right: 0, bottom: 0 };

/** Draws a shape into the coverage and says which box it changed. */
export type Shape = (coverage: Coverage) => Box;

export class Painting {
  /** Counts all that can be seen or undone; `subscribe` tells of it. */
  revision = 0;
  private readonly layers = new Map<LayerName, Layer>();
  private readonly listeners = new Set<() => void>();
  private stroke: Stroke | null = null;
  private readonly history = new History<Change>(
    (change) => ({ layer: change.layer, patch: this.exchanged(change) }),
    (change) => change.patch.data.length,
  );

  /** `onEdited` is told of each layer that a person changed, once a stroke has ended. */
  constructor(
    readonly size: Size,
    private readonly onEdited: (layer: LayerName) => void,
  ) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get canUndo(): boolean {
    return this.history.canUndo;
  }

  get canRedo(): boolean {
    return this.history.canRedo;
  }

  get names(): LayerName[] {
    return [...this.layers.keys()];
  }

  raster(name: LayerName): Raster {
    return this.layer(name).raster;
  }

  seen(name: LayerName): HTMLCanvasElement {
    return this.layer(name).seen;
  }

  isEmpty(name: LayerName): boolean {
    const layer = this.layers.get(name);
    return layer === undefined || isEmpty(layer.raster);
  }

  /** Show what was loaded. It is a step of the history only where it takes the place of something. */
  put(name: LayerName, raster: Raster): void {
    this.cancel();
    const replaces = !this.isEmpty(name);
    const patch = this.exchanged({ layer: name, patch: cut(raster, wholeBox(raster)) });
    if (replaces) this.history.push({ layer: name, patch });
    this.changed();
  }

  /** Forget a layer; and all steps, since some may be its own. */
  drop(name: LayerName): void {
    this.cancel();
    this.layers.delete(name);
    this.history.clear();
    this.changed();
  }

  begin(layer: LayerName, paint: Paint): void {
    this.cancel();
    const { width, height } = this.size;
    const before = this.layer(layer).raster.data.slice();
    this.stroke = { layer, paint, before, coverage: noCoverage(width, height), box: NOTHING };
  }

  /** Add a shape to the stroke that was begun. */
  cover(shape: Shape): void {
    if (this.stroke === null) return;
    const { layer, before, coverage, paint } = this.stroke;
    const box = shape(coverage);
    if (isEmptyBox(box)) return;
    this.stroke.box = join(this.stroke.box, box);
    lay(this.raster(layer), before, coverage, box, paint);
    this.show(layer, box);
    this.changed();
  }

  end(): void {
    if (this.stroke === null) return;
    const { layer, before, box } = this.stroke;
    this.stroke = null;
    if (isEmptyBox(box)) return;
    this.remember(layer, cut(this.raster(layer), box, before));
  }

  /** As if the stroke had not been begun. */
  cancel(): void {
    if (this.stroke === null) return;
    const { layer, before, box } = this.stroke;
    this.stroke = null;
    this.exchanged({ layer, patch: cut(this.raster(layer), box, before) });
    this.changed();
  }

  /** A stroke of one shape. */
  paint(layer: LayerName, paint: Paint, shape: Shape): void {
    this.begin(layer, paint);
    this.cover(shape);
    this.end();
  }

  command(name: LayerName, command: Command): void {
    this.cancel();
    const raster = this.raster(name);
    const whole = wholeBox(raster);
    const before = cut(raster, whole);
    if (command === "invert") raster.data.forEach((value, place) => (raster.data[place] = 255 - value));
    else raster.data.fill(command === "fill" ? 255 : 0);
    this.show(name, whole);
    this.remember(name, before);
  }

  undo(): void {
    this.cancel();
    this.moved(this.history.undo());
  }

  redo(): void {
    this.cancel();
    this.moved(this.history.redo());
  }

  private layer(name: LayerName): Layer {
    const there = this.layers.get(name);
    if (there !== undefined) return there;
    const { width, height } = this.size;
    const seen = document.createElement("canvas");
    Object.assign(seen, { width, height });
    const made = { raster: blank(width, height, name === "sketch" ? 4 : 1), seen };
    this.layers.set(name, made);
    return made;
  }

  private exchanged({ layer, patch }: Change): Patch {
    const there = exchange(this.raster(layer), patch);
    this.show(layer, patch.box);
    return there;
  }

  private remember(layer: LayerName, patch: Patch): void {
    this.history.push({ layer, patch });
    this.changed();
    this.onEdited(layer);
  }

  private moved(change: Change | null): void {
    if (change === null) return;
    this.changed();
    this.onEdited(change.layer);
  }

  private show(name: LayerName, box: Box): void {
    if (isEmptyBox(box)) return;
    const { raster, seen } = this.layer(name);
    const pixels = new ImageData(asSeen(raster, box, tintOf(name)), box.right - box.left, box.bottom - box.top);
    seen.getContext("2d")?.putImageData(pixels, box.left, box.top);
  }

  private changed(): void {
    this.revision += 1;
    for (const listener of this.listeners) listener();
  }
}
