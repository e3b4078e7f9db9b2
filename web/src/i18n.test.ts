import { expect, test } from "vitest";

type Words = Record<string, string | Record<string, string>>;
const files = import.meta.glob<Words>("./locales/*/*.json", { eager: true, import: "default" });
const sources = import.meta.glob<string>("./**/*.tsx", { eager: true, query: "?raw", import: "default" });

const language = (name: string): Record<string, Words> =>
  Object.fromEntries(
    Object.entries(files)
      .filter(([path]) => path.startsWith(`./locales/${name}/`))
      .map(([path, words]) => [path.split("/").at(-1) ?? "", words]),
  );
const english = language("en");
const chinese = language("zh-CN");

function texts(words: Words): Map<string, string> {
  const flat = Object.entries(words).flatMap(([key, value]) =>
    typeof value === "string"
      ? [[key, value]]
      : Object.entries(value).map(([inner, text]) => [`${key}.${inner}`, text]),
  );
  return new Map(flat as [string, string][]);
}

/** Keys without the endings of plurals: languages have different numbers of them. */
const keys = (words: Words) =>
  [...new Set([...texts(words).keys()].map((key) => key.replace(/_(one|other)$/, "")))].sort();

test("both languages have the same namespaces and keys", () => {
  expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort());
  for (const [namespace, words] of Object.entries(english))
    expect({ [namespace]: keys(chinese[namespace] ?? {}) }).toEqual({ [namespace]: keys(words) });
});

test("both languages name the same values in a text", () => {
  const values = (text: string) => [...new Set(text.match(/{{\w+}}/g) ?? [])].sort();
  for (const [namespace, words] of Object.entries(english)) {
    const there = texts(chinese[namespace] ?? {});
    for (const [key, text] of texts(words)) {
      const other = there.get(key);
      if (other !== undefined) expect([namespace, key, values(other)]).toEqual([namespace, key, values(text)]);
    }
  }
});

test("no visible text stands in the sources", () => {
  const unkeyed = Object.entries(sources).flatMap(([path, text]) => {
    const attributes = text.matchAll(/\s(?:label|title|placeholder|aria-label|description)="([A-Za-z]+[a-z][^"]*)"/g);
    const children = text.matchAll(/^\s+<[A-Z]\w*(?:\s[^<>]*)?>\s*([A-Z][a-z]+[^<>{}();=]*)<\//gm);
    return [...attributes, ...children].map((match) => `${path}: ${match[1]}`);
  });
  expect(unkeyed).toEqual([]);
});

test("every key that the sources name is there", () => {
  const missing = Object.entries(sources).flatMap(([path, text]) => {
    const namespaces = [...text.matchAll(/useTranslation\((?:"(\w+)")?\)/g)].map((match) => match[1] ?? "common");
    const known = new Set([...namespaces, "common"].flatMap((name) => keys(english[`${name}.json`] ?? {})));
    const named = [...text.matchAll(/\bt\(\s*"([\w.]+)"/g)].map((match) => match[1] ?? "");
    return namespaces.length ? named.filter((key) => !known.has(key)).map((key) => `${path}: ${key}`) : [];
  });
  expect(missing).toEqual([]);
});
