// Objects of the recipe as text, a "name = value" on each line.

export function linesOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([name, part]) => `${name} = ${String(part)}`)
    .join("\n");
}

/** Lines without a name or a value are still being written and left out. */
export function objectOf(text: string): Record<string, string | number> | null {
  const pairs = text.split("\n").flatMap((line) => {
    const [name = "", ...rest] = line.split("=");
    const value = rest.join("=").trim();
    return name.trim() && value ? [[name.trim(), plain(value)] as const] : [];
  });
  return pairs.length ? Object.fromEntries(pairs) : null;
}

/** A number where all of the text is one. */
export function plain(text: string): string | number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}
