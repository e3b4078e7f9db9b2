import { describe, expect, it } from "vitest";
import { clamped, fitScale, MAX_ZOOM, WHOLE, zoomedAt } from "./zoom";

const picture = { width: 200, height: 100 };
const stage = { width: 800, height: 800 };

describe("zoom", () => {
  it("fits the longer side", () => {
    expect(fitScale(picture, stage)).toBe(4);
    expect(fitScale({ width: 0, height: 0 }, stage)).toBe(1);
  });

  it("keeps what lies under the pointer", () => {
    const point = { x: 100, y: -40 };
    const view = zoomedAt({ zoom: 2, x: 30, y: 10 }, 1.5, point);
    // The point in the picture's own coordinates, before and after.
    expect((point.x - view.x) / view.zoom).toBeCloseTo((point.x - 30) / 2);
    expect((point.y - view.y) / view.zoom).toBeCloseTo((point.y - 10) / 2);
  });

  it("never goes below the whole picture or beyond the limit", () => {
    expect(zoomedAt(WHOLE, 0.1, { x: 0, y: 0 }).zoom).toBe(1);
    expect(zoomedAt(WHOLE, 1000, { x: 0, y: 0 }).zoom).toBe(MAX_ZOOM);
  });

  it("lets the edges come to the stage's edges, not further", () => {
    expect(clamped({ zoom: 1, x: 500, y: 500 }, picture, stage)).toEqual(WHOLE);
    // At zoom 4 it is 3200 x 1600: 1200 and 400 too large on each side.
    expect(clamped({ zoom: 4, x: 5000, y: -5000 }, picture, stage)).toEqual({ zoom: 4, x: 1200, y: -400 });
  });
});
