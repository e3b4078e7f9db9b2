// Values of an axis as text: a list, numbers also as ranges.

/** A value as it stands in a list: one with a comma or a quotation mark is quoted. */
export const quoted = (value: string): string => (/[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** The list with another value behind it. */
export function withValue(list: string, value: string): string {
  const before = list.trim().replace(/,$/, "");
  return before ? `${before}, ${quoted(value)}` : quoted(value);
}

const WORDS: Record<string, string> = {
  "Prompt S/R": "cat, dog, fox",
  "Prompt order": "red, round, shiny",
  prompt: '"a cat", "a dog"',
  negative_prompt: '"blurry", "dark"',
  Size: "512x512, 768x512",
};
const WHOLE = /^(Seed|Var. seed|Steps|Hires steps|Clip skip|UniPC Order|width|height|variation_seed|seed_width|seed_height|outpaint_\w+|mask_blur|mask_grow|inpaint_padding|eta_noise_seed_delta)$/;
const BETWEEN: Record<string, string> = {
  Seed: "1-4", Steps: "10-30 (+10)", "CFG Scale": "1-7 (+2)", "Clip skip": "1-2", "Schedule rho": "5-9 (+2)", rho: "5-9 (+2)",
};

/** Values as an example of what the axis takes; "" for one whose values are offered by name. */
export function example(axis: string): string {
  if (WORDS[axis]) return WORDS[axis];
  if (BETWEEN[axis]) return BETWEEN[axis];
  return WHOLE.test(axis) ? "1-10 [5]" : "0-1 (+0.25)";
}
