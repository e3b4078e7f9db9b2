import type { TFunction } from "i18next";

/** One setting of a request, ready to be shown. */
export interface Row {
  /** Such as "steps", "hires.scale" or "controls.0.weight". */
  key: string;
  label: string;
  value: string;
}

export interface Difference {
  key: string;
  label: string;
  left: string;
  right: string;
}

type Fields = Record<string, unknown>;

/** The fields whose values are words of ours; all others are shown as they were written. */
const WORDED = new Set([
  "emphasis", "lora_application", "tiling", "step_rule", "resize_mode", "masked_content", "inpaint_area",
  "noise_source", "mode", "method",
]);

const FREE = new Set(["sampler_options", "network_hashes", "a1111_hashes"]);

/** All that a request says, in words: one row a setting, without the fields that are left to the model. */
export function describeRequest(request: Fields, t: TFunction): Row[] {
  return Object.entries(request).flatMap(([name, value]) => rows(name, [labelOf(name, t)], value, t));
}

/** The settings in which two requests are not the same; a side that does not say it has an empty value. */
export function differences(left: Fields, right: Fields, t: TFunction): Difference[] {
  const byKey = (request: Fields) => new Map(describeRequest(request, t).map((row) => [row.key, row]));
  const [before, after] = [byKey(left), byKey(right)] as const;
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [a, b] = [before.get(key), after.get(key)];
    if (a?.value === b?.value) return [];
    return [{ key, label: (a ?? b)?.label ?? key, left: a?.value ?? "", right: b?.value ?? "" }];
  });
}

/** Those of a request's fields that are not what they are when nothing is said. */
export function chosen(request: Fields, defaults: Fields): Fields {
  return Object.fromEntries(
    Object.entries(request).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name])),
  );
}

function rows(key: string, labels: string[], value: unknown, t: TFunction): Row[] {
  if (value === null || value === undefined || value === "") return [];
  const label = labels.join(" · ");
  if (Array.isArray(value)) {
    if (value.every((part) => typeof part !== "object"))
      return value.length ? [{ key, label, value: value.map((part) => inWords(key, part, t)).join(" – ") }] : [];
    return value.flatMap((part, place) => rows(`${key}.${place}`, [`${label} ${place + 1}`], part, t));
  }
  if (typeof value !== "object") return [{ key, label, value: inWords(key, value, t) }];
  const parts = value as Fields;
  if ("sha256" in parts || "path" in parts) return [{ key, label, value: sourceName(parts) }];
  return Object.entries(parts).flatMap(([name, part]) => {
    // Options of a sampler and files of networks have no other names than these.
    const own = FREE.has(key) ? name : labelOf(name, t);
    return rows(`${key}.${name}`, [...labels, own], part, t);
  });
}

/** A picture that was given says its place or, of a file that is not there any more, its hash. */
function sourceName(source: Fields): string {
  const name = source.path ?? source.sha256;
  return typeof name === "string" ? name : "";
}

function labelOf(name: string, t: TFunction): string {
  return t(`viewer:field.${name}`, { defaultValue: name });
}

function inWords(key: string, value: unknown, t: TFunction): string {
  if (typeof value === "boolean") return t(value ? "viewer:value.yes" : "viewer:value.no");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  const name = key.split(".").at(-1) ?? key;
  const text = String(value);
  // A text that somebody wrote must not reach t: it would take "{{...}}" in it for its own.
  return WORDED.has(name) && /^[\w ]+$/.test(text) ? t(`viewer:value.${name}_${text}`, text) : text;
}
