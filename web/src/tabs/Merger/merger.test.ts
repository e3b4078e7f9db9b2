import { expect, test } from "vitest";
import type { MergeMethod } from "../../api/types";
import { blocksOf, preset, usual } from "./blocks";
import { specOf, type MergeForm } from "./form";

const form: MergeForm = {
  models: ["a", "b", "c"], method: "weighted-sum", multiplier: 0.4, blocks: { IN00: 0, M00: 1 }, density: 0.2,
  drop: 0.9, seed: 0, vae: null, discard: "", precision: null, name: " mine ",
};
const method = (name: string, models: number): MergeMethod => ({ name, models, label: name, multiplier: 0.3, about: "" });

test("a job names as many models as its method takes, and what that uses", () => {
  expect(specOf(form, method("weighted-sum", 2))).toEqual({
    kind: "merge", models: ["a", "b"], method: "weighted-sum", multiplier: 0.4, blocks: "IN00=0,M00=1", vae: null,
    discard: null, precision: null, name: "mine",
  });
  expect(specOf(form, method("no-interpolation", 1))).toEqual({
    kind: "merge", models: ["a"], method: "no-interpolation", vae: null, discard: null, precision: null, name: "mine",
  });
  expect(specOf(form, method("dare", 3))).toMatchObject({ models: ["a", "b", "c"], drop: 0.9, seed: 0 });
});

test("presets are curves over however many blocks there are", () => {
  const blocks = blocksOf(["BASE", ...usual("sd1")].reverse());
  expect(blocks.map(({ name }) => name)).toEqual(usual("sd1"));
  expect(preset("inside", blocks)).toMatchObject({ IN00: 0, IN11: 1, M00: 1, OUT00: 1, OUT11: 0 });
  expect(preset("rising", blocks)).toMatchObject({ IN00: 0, IN11: 0.5, M00: 0.5, OUT00: 0.5, OUT11: 1 });
  expect(preset("inputs", blocksOf(["IN00", "M00", "OUT00"]))).toEqual({ IN00: 1, M00: 0, OUT00: 0 });
});
