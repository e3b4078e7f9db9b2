import { expect, test } from "vitest";
import type { Job, Picture, PlotSpec } from "../../api/types";
import { specOf, type PlotForm } from "./form";
import { rowAgain, tableOf } from "./table";
import { withValue } from "./values";

const form: PlotForm = {
  axes: { x: { name: "Steps", values: " 1-3 " }, y: { name: "Nothing", values: "" }, z: { name: "Seed", values: "1" } },
  vary: ["y", "z"], legend: true, margin: 4,
};

test("axes are texts, and what is off is Nothing", () => {
  expect(specOf(form, { prompt: "a cat" })).toEqual({
    kind: "plot", request: { prompt: "a cat" }, x: "Steps: 1-3", y: "Nothing", z: "Seed: 1", vary_seeds: ["z"],
    legend: true, margin: 4,
  });
  expect(specOf({ ...form, axes: { ...form.axes, z: { name: "Seed", values: " " } } }, {})).toBeNull();
});

test("a name with a comma is quoted", () => {
  expect(withValue("", "DDIM")).toBe("DDIM");
  expect(withValue("DDIM, ", "a, b")).toBe('DDIM, "a, b"');
});

test("pictures find their cells, and a row is begun from its first", () => {
  const picture = (index: number, role: Picture["role"] = "picture") =>
    ({ index, role, request: { prompt: "a dog", seed: 7 } }) as Picture;
  const spec: PlotSpec = { kind: "plot", request: {}, x: "Steps: 1, 2", y: "Seed: 1, 2" };
  const job = {
    result: {
      axes: [{ name: "Steps", values: ["1", "2"] }],
      cells: [{ place: [0, 0, 0], index: 1 }, { place: [1, 0, 0], index: 0 }],
    },
    pictures: [picture(0), picture(0, "grid")],
  } as unknown as Job;
  const table = tableOf(job);
  expect(table?.at(0, 0, 0).picture).toBeUndefined();
  expect(table?.at(1, 0, 0).picture?.role).toBe("picture");
  expect(rowAgain(spec, picture(0))).toEqual({
    ...spec, request: { prompt: "a dog", seed: null }, y: "Nothing", z: "Nothing",
  });
  expect(rowAgain({ ...spec, x: "Styles: a" }, picture(0))).toBeNull();
});
