import { expect, test } from "vitest";

type Words = Record<string, string | Record<string, string>>;
const files = import.meta.glob<Words>("./locales/*/*.json", { eager: true, import: "default" });
const sources = import.meta.glob<string>(["./**/*.{ts,tsx}", "!./**/*.test.ts"], { eager: true, query: "?raw", import: "default" });

const language = (name: string): Record<string, Words> =>
  Object.fromEntries(
    Object.entries(files)
      .filter(([path]) => path.startsWith(`./locales/${name}/`))
      .map(([path, words]) => [path.split("/").at(-1) ?? "", words]),
  );
const english = language("en");
const chinese = language("zh-CN");

/** Keys without the endings of plurals: languages have different numbers of them. */
function keys(words: Words): string[] {
  const flat = Object.entries(words).flatMap(([key, value]) =>
    typeof value === "string" ? [key] : Object.keys(value).map((inner) => `${key}.${inner}`),
  );
  return [...new Set(flat.map((key) => key.replace(/_(one|other)$/, "")))].sort();
}

test("both languages have the same namespaces and keys", () => {
  expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort());
  for (const [namespace, words] of Object.entries(english))
    expect({ [namespace]: keys(chinese[namespace] ?? {}) }).toEqual({ [namespace]: keys(words) });
});

test("both languages name the same values in a text", () => {
  const values = (text: string) => [...new Set(text.match(/{{\w+}}/g) ?? [])].sort();
  const texts = (words: Words) =>
    new Map(Object.entries(words).flatMap(([key, value]) => (typeof value === "string" ? [[key, value] as const] : Object.entries(value).map(([inner, text]) => [`${key}.${inner}`, text] as const))));
  for (const [namespace, words] of Object.entries(english)) {
    const there = texts(chinese[namespace] ?? {});
    for (const [key, text] of texts(words)) {
      const other = there.get(key) ?? there.get(key.replace(/_one$/, "_other"));
      // "one job" needs no number
      if (other !== undefined && !key.endsWith("_one")) expect([namespace, key, values(other)]).toEqual([namespace, key, values(text)]);
    }
  }
});

test("no visible text stands in the sources", () => {
  const unkeyed = Object.entries(sources).flatMap(([path, text]) => {
    const attributes = text.matchAll(/\s(?:label|title|placeholder|aria-label|description)="([^"]*[A-Za-z]{2}[^"]*)"/g);
    const children = text.matchAll(/^\s+<[A-Z]\w*(?:\s[^<>]*)?>\s*([A-Z][a-z]+[^<>{}();=]*)<\//gm);
    return [...attributes, ...children].map((match) => `${path}: ${match[1]}`);
  });
  expect(unkeyed).toEqual([]);
});
