import { describe, expect, it } from "vitest";
import { ALL, countOf, filtersOf, queryOf } from "./filters";

describe("filters", () => {
  it("are read from the address", () => {
    const filters = { ...ALL, q: "seed:42 cat", favourite: true, order: "oldest" };
    expect(filtersOf({ q: "seed:42 cat", favourite: "true", order: "oldest" })).toEqual(filters);
    expect(filtersOf({ order: "sideways", other: "1" })).toEqual(ALL);
  });

  it("leave out what is not said, and count the rest", () => {
    expect(queryOf({ ...ALL, q: "  " })).toEqual({ order: "newest" });
    expect(countOf({ ...ALL, q: "cat", favourite: true })).toBe(0);
    expect(countOf({ ...ALL, model: "starter", to: "2026-01-01" })).toBe(2);
  });
});
