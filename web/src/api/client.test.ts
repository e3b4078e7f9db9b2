import { expect, test } from "vitest";
import { parse } from "./client";

test("seeds keep all their digits, other numbers and texts stay what they are", () => {
  const text = JSON.stringify({ seed: 7, raw: '"seed": 18446744073709551615' }).replace(
    "{",
    '{"variation_seed": 18446744073709551615,"bytes":18446744073709551615,',
  );
  expect(parse(text)).toEqual({
    variation_seed: "18446744073709551615",
    bytes: 2 ** 64,
    seed: 7,
    raw: '"seed": 18446744073709551615',
  });
});
