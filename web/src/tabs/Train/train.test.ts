import { expect, test } from "vitest";
import type { TrainingField } from "../../api/types";
import { course, type CurveRow, measured, pointsOf, thinned, ticks } from "./curve";
import { rounds, specOf, type TrainForm } from "./form";
import { linesOf, objectOf } from "./lines";
import { used } from "./use";

const form: TrainForm = {
  view: "data", training: "lora", name: " cat ", dataset: "cats", model: null,
  fields: { steps: 100, rank: 8, trigger_words: { cat: 2 }, hint_folder: "hints", sample_prompts: ["a cat"] },
};
const field = (name: string): TrainingField => ({
  name, type: "integer", default: null, description: "", section: "run", choices: null,
});

test("a job has the fields of its kind, and none of another's", () => {
  expect(specOf(form, [field("steps"), field("rank")])).toEqual({
    kind: "train", training: "lora", name: "cat", dataset: "cats", model: null,
    fields: { steps: 100, rank: 8, sample_prompts: ["a cat"] },
  });
  expect(specOf({ ...form, dataset: null }, [])).toBeNull();
});

test("rounds are steps times batch over the pictures that are taught", () => {
  expect(rounds({ steps: 100, batch_size: 2 }, 10)).toBe(20);
  expect(rounds({ steps: 100, batch_size: 2, held_out: 0.5, repeats: 2 }, 10)).toBe(20);
  expect(rounds({ epochs: 3 }, 10)).toBeNull();
});

test("objects are lines, and lines are objects", () => {
  expect(objectOf("mycat = 4\nIN00=0.5\n half\nempty =\nword = a = b")).toEqual({ mycat: 4, IN00: 0.5, word: "a = b" });
  expect(linesOf({ mycat: 4 })).toBe("mycat = 4");
  expect(objectOf(" \n")).toBeNull();
});

test("a curve leaves out what was not measured, and keeps the mean", () => {
  const metrics: CurveRow["metrics"][] = [{ loss: 2 }, {}, { loss: null }, { loss: 4 }];
  const rows = metrics.map((metrics, i) => ({ step: i + 1, metrics }));
  const points = pointsOf(rows, "loss");
  expect(points).toEqual([{ step: 1, value: 2 }, { step: 4, value: 4 }]);
  expect(thinned(points, 1)).toEqual([{ step: 3, value: 3 }]);
  expect(thinned(points, 2)).toEqual(points);
  expect(measured([...points, { step: 5, value: 4 }])).toEqual(points);
});

test("steps that were taken again count as the last time", () => {
  const rows = [1, 5, 9, 5, 8].map((step, i) => ({ step, metrics: { loss: i } }));
  expect(course(rows)).toEqual([rows[0], rows[3], rows[4]]);
});

test("ticks are round and go around the values", () => {
  expect(ticks(0, 100, 5)).toEqual([0, 20, 40, 60, 80, 100]);
  expect(ticks(0.013, 0.048, 4)).toEqual([0.01, 0.02, 0.03, 0.04, 0.05]);
  expect(ticks(3, 3, 3)).toEqual([3, 4]);
});

test("what was trained goes into the prompt once, or becomes the model", () => {
  const spec = specOf(form, [])!;
  expect(used(spec, ["cat.safetensors"], { prompt: "a cat " })).toEqual({ prompt: "a cat <lora:cat:1>" });
  expect(used(spec, ["cat.safetensors"], { prompt: "<lora:cat:1> x" })).toEqual({ prompt: "<lora:cat:1> x" });
  expect(used({ ...spec, training: "dreambooth" }, ["cat.safetensors"], {})).toEqual({ model: "cat.safetensors" });
});
