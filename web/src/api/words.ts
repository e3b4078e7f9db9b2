// The server speaks English, one line at a time. Here its commonest lines become the page's language: the English
// texts of locales/*/messages.json are the patterns, those of the other language what is shown. A line that none fits
// stays as it is.

import i18n from "../i18n";
import english from "../locales/en/messages.json";

type Group = "line" | "wanted" | "hint";

interface Pattern {
  key: string;
  expression: RegExp;
}

const compiled = Object.fromEntries(
  (["line", "wanted", "hint"] as const).map((group) => [group, Object.entries(english[group]).map(compile)]),
) as Record<Group, Pattern[]>;

/** "There is no job {{id}}." -> ^There is no job (?<id>.+?)\.?$ ; a value that stands there twice must be the same. */
function compile([key, text]: [string, string]): Pattern {
  const seen = new Set<string>();
  const parts = text.replace(/\.$/, "").split(/{{(\w+)}}/).map((part, i) => {
    if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    if (seen.has(part)) return `\\k<${part}>`;
    seen.add(part);
    return `(?<${part}>.+?)`;
  });
  return { key, expression: new RegExp(`^${parts.join("")}\\.?$`) };
}

/** A line of the server's in the page's language. */
export function inWords(line: string): string {
  if (i18n.language === "en") return line;
  return withHint(line) ?? translated("line", line) ?? line;
}

/** A line that ends in what may have been meant. */
function withHint(line: string): string | null {
  const found = /^(.+?) (Did you mean .+\?|Known: .+\.|There are none(?: at all)?\.|It has none\.)$/.exec(line);
  const [, body = "", hint = ""] = found ?? [];
  const said = body && translated("line", body);
  return said ? said + (translated("hint", hint) ?? hint) : null;
}

function translated(group: Group, line: string): string | null {
  for (const { key, expression } of compiled[group]) {
    const values = expression.exec(line)?.groups;
    if (values === undefined && !expression.test(line)) continue;
    const said = Object.entries(values ?? {}).map(([name, value]) => [name, valueInWords(name, value)]);
    return i18n.t(`messages:${group}.${key}`, Object.fromEntries(said) as Record<string, string>);
  }
  return null;
}

/** Fields by their labels, states and kinds of models by their words; what is a name stays one. */
function valueInWords(name: string, value: string): string {
  const word = (one: string) => i18n.t(`messages:word.${one}`, { defaultValue: one });
  if (name === "field") {
    const labels = [`fields:label.${value}`, `canvas:${value}.label`, `viewer:field.${value}`];
    return i18n.t(labels, { defaultValue: value });
  }
  if (name === "states") return value.split(" or ").map((one) => word(`state_${one}`)).join(" / ");
  if (name === "names" || name === "choices") return value.replaceAll(/,? or /g, " / ");
  if (name === "wanted") return translated("wanted", value) ?? ` ${value.replaceAll(" or ", " / ")}`;
  if (name === "reason") return inWords(value);
  return ["state", "shade", "kind"].includes(name) ? word(`${name}_${value}`) : value;
}
