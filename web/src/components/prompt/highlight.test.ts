import { expect, test } from "vitest";
import { highlight } from "./highlight";

const known = { lora: new Set(["film"]), hypernet: new Set<string>(), wildcard: new Set(["animal"]) };
const of = (prompt: string, dialect?: string) =>
  highlight(prompt, dialect, known).map(({ text, kind, weight, wrong }) => [text, kind, weight, wrong]);

test("brackets multiply, escaped ones do not", () => {
  expect(of("a ((b)) [c] (d:1.5)")).toEqual([
    ["a ", "text", 1, false],
    ["(", "text", 1.1, false],
    ["(b)", "text", 1.21, false],
    [")", "text", 1.1, false],
    [" ", "text", 1, false],
    ["[c]", "text", 0.909, false],
    [" ", "text", 1, false],
    ["(d:1.5)", "text", 1.5, false],
  ]);
  expect(of("a \\(b\\)")).toEqual([["a \\(b\\)", "text", 1, false]]);
});

test("a bracket alone and unknown names are wrong", () => {
  expect(of("(a")).toEqual([["(", "text", 1, true], ["a", "text", 1, false]]);
  expect(of("<lora:film:1> <lora:flim>").map((run) => [run[1], run[3]])).toEqual([
    ["network", false], ["text", false], ["network", true],
  ]);
  expect(of("__animal__ __planet__").map((run) => run[3])).toEqual([false, false, true]);
});

test("schedules, keywords and dialects", () => {
  expect(of("[a:b:0.5] AND [c|d]").map((run) => run[1])).toEqual(["schedule", "text", "keyword", "text", "schedule"]);
  expect(of("[a] (b) AND", "comfy")).toEqual([
    ["[a] ", "text", 1, false],
    ["(b)", "text", 1.1, false],
    [" AND", "text", 1, false],
  ]);
  expect(of("(b)", "plain")).toEqual([["(b)", "text", 1, false]]);
});

test("the runs are the prompt again", () => {
  const prompt = "((星空)) <lora:x:1> ] [a:b: 3] \\";
  expect(highlight(prompt).map((run) => run.text).join("")).toBe(prompt);
});
