import { expect, it } from "vitest";
import { isParameters } from "./parameters";

it("knows a parameter text from one that somebody writes", () => {
  expect(isParameters("a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1\n")).toBe(true);
  expect(isParameters('Steps: 20, Seed: 1, Template: "a: b, c"')).toBe(true);
  expect(isParameters("Steps: 20")).toBe(false);
  expect(isParameters("Ingredients: eggs, Time: 5, Place: kitchen")).toBe(false);
  expect(isParameters("a cat, Steps: of a house\nby the sea")).toBe(false);
  expect(isParameters("")).toBe(false);
});
