import { describe, expect, it } from "vitest";
import { dragFrame, fit, handlePlace, keepInSight, NO_MARGINS, pinch, snapMargin, toPicture, zoomAt } from "./geometry";

const VIEW = { x: 30, y: -20, scale: 1.5 };
const PICTURE = { width: 512, height: 768 };

describe("the view", () => {
  it("fits the picture with its margins into the middle", () => {
    const view = fit({ width: 400, height: 200 }, { ...NO_MARGINS, left: 100 }, { width: 548, height: 448 });
    expect(view).toEqual({ scale: 1, x: 124, y: 124 });
  });

  it("zooms around a point", () => {
    const at = { x: 210, y: 77 };
    expect(toPicture(zoomAt(VIEW, at, 3), at)).toEqual(toPicture(VIEW, at));
  });

  it("keeps what lies under two fingers between them", () => {
    const from = [{ x: 100, y: 100 }, { x: 200, y: 100 }] as const;
    const to = [{ x: 120, y: 140 }, { x: 320, y: 140 }] as const;
    const view = pinch(VIEW, from, to);
    expect(view.scale).toBe(3);
    from.forEach((finger, i) => {
      const [before, after] = [toPicture(VIEW, finger), toPicture(view, to[i] ?? finger)];
      expect(after.x).toBeCloseTo(before.x);
      expect(after.y).toBeCloseTo(before.y);
    });
  });

  it("does not lose the picture", () => {
    const view = keepInSight({ x: 5000, y: -5000, scale: 1 }, PICTURE, { width: 600, height: 400 });
    expect(view).toEqual({ x: 552, y: -720, scale: 1 });
  });
});

describe("the frame", () => {
  it("grows in multiples of 8 on the sides of the handle, and never into the picture", () => {
    const start = { left: 8, top: 16, right: 24, bottom: 0 };
    expect(dragFrame(start, ["left", "top"], { x: -61, y: 100 }, PICTURE)).toEqual({ ...start, left: 72, top: 0 });
    expect(dragFrame(start, ["bottom"], { x: 999, y: 13 }, PICTURE)).toEqual({ ...start, bottom: 16 });
  });

  it("stays within what a request allows", () => {
    expect(snapMargin(9999, 512)).toBe(4096);
    expect(snapMargin(9999, 8000)).toBe(192);
    expect(snapMargin(9999, 8190)).toBe(0);
  });

  it("has its handles on corners and in the middle of edges", () => {
    const margins = { ...NO_MARGINS, left: 112, top: 8 };
    expect(handlePlace(["left", "bottom"], margins, PICTURE)).toEqual({ x: -112, y: 768 });
    expect(handlePlace(["top"], margins, PICTURE)).toEqual({ x: 200, y: -8 });
  });
});
