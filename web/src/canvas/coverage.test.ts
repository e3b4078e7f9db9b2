import { describe, expect, it } from "vitest";
import { coverFlood, coverPolygon, coverRectangle, coverSegment, noCoverage } from "./coverage";

const sum = (values: Uint8Array) => values.reduce((total, value) => total + value, 0) / 255;

describe("a stroke", () => {
  it("covers the area of its capsule", () => {
    const coverage = noCoverage(100, 60);
    const box = coverSegment(coverage, { x: 30, y: 30 }, { x: 70, y: 30 }, { radius: 10, hardness: 1 });
    expect(Math.abs(sum(coverage.values) / (40 * 20 + Math.PI * 100) - 1)).toBeLessThan(0.01);
    expect(box).toEqual({ left: 19, top: 19, right: 81, bottom: 41 });
  });

  it("falls off from the hard part to the edge, and does not harden by going over it again", () => {
    const coverage = noCoverage(41, 41);
    const dab = () => coverSegment(coverage, { x: 20.5, y: 20.5 }, { x: 20.5, y: 20.5 }, { radius: 20, hardness: 0.5 });
    dab();
    const row = [...coverage.values.slice(20 * 41 + 20, 21 * 41)];
    expect(row.slice(0, 11).every((value) => value === 255)).toBe(true);
    expect(row).toEqual([...row].sort((a, b) => b - a));
    expect(Math.abs(((row[15] ?? 0) + (row[16] ?? 0)) / 2 - 127.5)).toBeLessThan(2);
    const before = coverage.values.slice();
    dab();
    expect(coverage.values).toEqual(before);
  });

  it("may leave the picture", () => {
    const coverage = noCoverage(8, 8);
    const box = coverSegment(coverage, { x: -50, y: -50 }, { x: -40, y: -40 }, { radius: 5, hardness: 1 });
    expect(box).toEqual({ left: 0, top: 0, right: 0, bottom: 0 });
  });
});

describe("an outline", () => {
  it("of a rectangle covers its pixels, in whatever order its corners were given", () => {
    const coverage = noCoverage(20, 20);
    coverRectangle(coverage, { x: 15, y: 9 }, { x: 5, y: 2 });
    expect(sum(coverage.values)).toBe(70);
  });

  it("is filled where it crosses itself", () => {
    const coverage = noCoverage(60, 60);
    const star = [0, 2, 4, 1, 3].map((i) => ({
      x: 30 + 25 * Math.sin((i * 2 * Math.PI) / 5),
      y: 30 - 25 * Math.cos((i * 2 * Math.PI) / 5),
    }));
    coverPolygon(coverage, star);
    expect(coverage.values[30 * 60 + 30]).toBe(255);
    expect(coverage.values[0]).toBe(0);
  });
});

it("a fill stays inside a closed line and reaches every corner of it", () => {
  const walls = ["#########", "#   #   #", "# # # # #", "# #   # #", "#########", "         "];
  const places = walls.join("");
  const coverage = noCoverage(9, 6);
  coverFlood(coverage, { x: 1.5, y: 1.5 }, (place) => places[place] === " ");
  const inside = [...places].filter((mark, place) => mark === " " && place < 45).length;
  expect(sum(coverage.values)).toBe(inside);
  expect(coverage.values.slice(45).some(Boolean)).toBe(false);
});
