/** Pixels that are painted on: a mask (one number each, 255 = repainted) or a sketch (red, green, blue, alpha). */
import type { Box, Coverage } from "./coverage";

export type Colour = readonly [red: number, green: number, blue: number];

/** Row by row, from 0 to 255. Alpha is not premultiplied. */
export interface Raster {
  width: number;
  height: number;
  channels: 1 | 4;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** What a box of a raster holds, or held. */
export interface Patch {
  box: Box;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** What is done where a shape covers: `erase`, or paint; in a sketch with a colour. */
export interface Paint {
  erase: boolean;
  /** From 0 to 1. */
  opacity: number;
  colour: Colour;
}

export function blank(width: number, height: number, channels: 1 | 4): Raster {
  return { width, height, channels, data: new Uint8ClampedArray(width * height * channels) };
}

export function wholeBox({ width, height }: { width: number; height: number }): Box {
  return { left: 0, top: 0, right: width, bottom: height };
}

export function isEmpty(raster: Raster): boolean {
  const { data, channels } = raster;
  for (let i = channels - 1; i < data.length; i += channels) if (data[i] !== 0) return false;
  return true;
}

/** Paint `raster` anew within the box: what was there `before`, with the paint where it is covered. */
export function lay(raster: Raster, before: Uint8ClampedArray, coverage: Coverage, box: Box, paint: Paint): void {
  const layPixel = raster.channels === 1 ? layMask : layColour;
  for (let row = box.top; row < box.bottom; row++) {
    for (let place = row * raster.width + box.left; place < row * raster.width + box.right; place++) {
      layPixel(raster.data, before, place, ((coverage.values[place] ?? 0) / 255) * paint.opacity, paint);
    }
  }
}

function layMask(data: Uint8ClampedArray, before: Uint8ClampedArray, place: number, amount: number, paint: Paint) {
  const old = before[place] ?? 0;
  data[place] = paint.erase ? old * (1 - amount) : Math.max(old, 255 * amount);
}

/** Porter and Duff's "over", and "out" for the eraser. */
function layColour(data: Uint8ClampedArray, before: Uint8ClampedArray, place: number, amount: number, paint: Paint) {
  const i = 4 * place;
  const old = (before[i + 3] ?? 0) / 255;
  const alpha = paint.erase ? old * (1 - amount) : amount + old * (1 - amount);
  const part = paint.erase || alpha === 0 ? 0 : amount / alpha;
  for (let channel = 0; channel < 3; channel++) {
    const from = before[i + channel] ?? 0;
    data[i + channel] = from + part * ((paint.colour[channel] ?? 0) - from);
  }
  data[i + 3] = 255 * alpha;
}

export function cut(raster: Raster, box: Box, data: Uint8ClampedArray = raster.data): Patch {
  const length = (box.right - box.left) * raster.channels;
  const piece = new Uint8ClampedArray(length * (box.bottom - box.top));
  for (let row = box.top; row < box.bottom; row++) {
    const start = (row * raster.width + box.left) * raster.channels;
    piece.set(data.subarray(start, start + length), (row - box.top) * length);
  }
  return { box, data: piece };
}

/** Put a patch in its place; returns what was there. */
export function exchange(raster: Raster, patch: Patch): Patch {
  const { box } = patch;
  const there = cut(raster, box);
  const length = (box.right - box.left) * raster.channels;
  for (let row = box.top; row < box.bottom; row++) {
    const start = (row * raster.width + box.left) * raster.channels;
    raster.data.set(patch.data.subarray((row - box.top) * length, (row - box.top + 1) * length), start);
  }
  return there;
}

/** A mask's values as RGBA, grey and opaque: how it is sent. */
export function asGrey(mask: Raster): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * mask.data.length);
  mask.data.forEach((value, place) => pixels.set([value, value, value, 255], 4 * place));
  return pixels;
}

/** The mask that a grey picture is: its red channel. */
export function fromGrey(width: number, height: number, pixels: Uint8ClampedArray): Raster {
  const mask = blank(width, height, 1);
  for (let place = 0; place < mask.data.length; place++) mask.data[place] = pixels[4 * place] ?? 0;
  return mask;
}

/** A box of the raster as RGBA for the screen: a mask in its tint, a sketch as it is. */
export function asSeen(raster: Raster, box: Box, tint: Colour): Uint8ClampedArray<ArrayBuffer> {
  const { data } = cut(raster, box);
  if (raster.channels === 4) return data;
  const pixels = new Uint8ClampedArray(4 * data.length);
  for (let place = 0; place < data.length; place++) {
    pixels[4 * place] = tint[0];
    pixels[4 * place + 1] = tint[1];
    pixels[4 * place + 2] = tint[2];
    pixels[4 * place + 3] = data[place] ?? 0;
  }
  return pixels;
}
