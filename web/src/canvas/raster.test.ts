import { expect, it } from "vitest";
import { noCoverage } from "./coverage";
import { asGrey, blank, cut, exchange, fromGrey, isEmpty, lay, wholeBox } from "./raster";

const INK = [200, 100, 0] as const;

function half() {
  const coverage = noCoverage(4, 2);
  coverage.values.set([255, 128, 0, 0], 0);
  return coverage;
}

it("a mask takes the stronger of two strokes, and the eraser a part of it", () => {
  const mask = blank(4, 2, 1);
  const coverage = half();
  lay(mask, mask.data.slice(), coverage, wholeBox(mask), { erase: false, opacity: 1, colour: INK });
  lay(mask, mask.data.slice(), coverage, wholeBox(mask), { erase: false, opacity: 0.5, colour: INK });
  expect([...mask.data.slice(0, 4)]).toEqual([255, 128, 0, 0]);
  lay(mask, mask.data.slice(), coverage, wholeBox(mask), { erase: true, opacity: 1, colour: INK });
  expect([...mask.data.slice(0, 4)]).toEqual([0, 64, 0, 0]);
});

it("colours are laid over one another", () => {
  const sketch = blank(4, 2, 4);
  sketch.data.set([0, 0, 200, 255], 4);
  lay(sketch, sketch.data.slice(), half(), wholeBox(sketch), { erase: false, opacity: 1, colour: INK });
  expect([...sketch.data.slice(0, 8)]).toEqual([200, 100, 0, 255, 100, 50, 100, 255]);
  expect([...sketch.data.slice(8)].every((value) => value === 0)).toBe(true);
});

it("a patch put in its place and back leaves no trace", () => {
  const mask = blank(5, 4, 1);
  mask.data.forEach((_, place) => (mask.data[place] = place));
  const before = mask.data.slice();
  const box = { left: 1, top: 1, right: 4, bottom: 3 };
  const patch = { box, data: cut(mask, box).data.fill(9) };
  const back = exchange(mask, patch);
  expect([...mask.data.slice(5, 10)]).toEqual([5, 9, 9, 9, 9]);
  exchange(mask, back);
  expect(mask.data).toEqual(before);
});

it("a mask is the same after it was sent and loaded", () => {
  const mask = blank(3, 3, 1);
  expect(isEmpty(mask)).toBe(true);
  mask.data.set([0, 1, 127, 128, 254, 255]);
  expect(isEmpty(mask)).toBe(false);
  expect(fromGrey(3, 3, asGrey(mask)).data).toEqual(mask.data);
});
