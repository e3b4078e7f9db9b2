import { describe, expect, it } from "vitest";
import type { Picture } from "../../api/types";
import { extended, moved, toggled } from "./selection";

const pictures = [9, 8, 7, 6].map((id) => ({ id }) as Picture);
const [nine, eight, seven] = pictures as [Picture, Picture, Picture];

describe("selection", () => {
  it("adds and takes away", () => {
    const both = toggled(toggled(new Map(), nine), seven);
    expect([...both.keys()]).toEqual([9, 7]);
    expect([...toggled(both, nine).keys()]).toEqual([7]);
  });

  it("takes all in between, in either direction", () => {
    expect([...extended(new Map(), pictures, 9, seven).keys()]).toEqual([9, 8, 7]);
    expect([...extended(new Map(), pictures, 7, nine).keys()]).toEqual([9, 8, 7]);
    expect([...extended(new Map(), pictures, 1000, eight).keys()]).toEqual([8]);
  });

  it("moves by columns and stays inside", () => {
    expect(moved("ArrowDown", 1, 10, 4)).toBe(5);
    expect(moved("ArrowDown", 8, 10, 4)).toBe(8);
    expect(moved("ArrowLeft", 0, 10, 4)).toBe(0);
    expect(moved("PageDown", 1, 10, 4)).toBe(9);
    expect(moved("End", 1, 10, 4)).toBe(9);
    expect(moved("a", 1, 10, 4)).toBeNull();
  });
});
