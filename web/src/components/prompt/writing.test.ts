import { expect, test } from "vitest";
import { complete, emphasise, fragmentAt } from "./writing";

test("the name that is being written", () => {
  expect(fragmentAt("a cat, <lora:fi", 15)).toEqual({ start: 7, name: "fi", kind: "lora" });
  expect(fragmentAt("<", 1)).toEqual({ start: 0, name: "", kind: null });
  expect(fragmentAt("a __an", 6)).toEqual({ start: 2, name: "an", kind: "wildcard" });
  expect(fragmentAt("a cas", 5)).toEqual({ start: 2, name: "cas", kind: null });
  expect(fragmentAt("a ", 2)).toBeNull();
  expect(fragmentAt("<lora:film:0.8> x", 17)).toBeNull();
});

test("completion replaces the fragment", () => {
  const fragment = { start: 7, name: "fi", kind: "lora" } as const;
  expect(complete("a cat, <lora:fi, b", 15, fragment, "<lora:film:1>").text).toBe("a cat, <lora:film:1>, b");
  expect(complete("a cat, <lora:fi:1>, b", 15, fragment, "<lora:film:1>").text).toBe("a cat, <lora:film:1>, b");
});

test("emphasis grows, shrinks and goes", () => {
  const one = emphasise("a cat sat", 3, 3, 0.1);
  expect(one).toEqual({ text: "a (cat:1.1) sat", start: 3, end: 6 });
  const two = emphasise(one.text, one.start, one.end, 0.1);
  expect(two.text).toBe("a (cat:1.2) sat");
  expect(emphasise(one.text, one.start, one.end, -0.1)).toEqual({ text: "a cat sat", start: 2, end: 5 });
  expect(emphasise("a  b", 2, 2, 0.1).text).toBe("a  b");
});
