// How a prompt is coloured while it is written. The server's inspector says how it is truly read; this only follows the
// brackets quickly enough for every key.

export type SegmentKind = "text" | "network" | "wildcard" | "keyword" | "schedule";

export interface Segment {
  text: string;
  kind: SegmentKind;
  /** The product of the brackets around it. */
  weight: number;
  /** A name that is not known here, or a bracket without its other half. */
  wrong: boolean;
}

export interface KnownNames {
  lora: ReadonlySet<string>;
  hypernet: ReadonlySet<string>;
  wildcard: ReadonlySet<string>;
}

const NETWORK = /<(\w+):([^:<>]+)(?::[^<>]*)?>/g;
const WILDCARD = /__([\w\-/ ]+?)__/g;
const KEYWORD = /\b(?:AND|BREAK)\b/g;
const NUMBER_AT_END = /:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$/;

interface Mark {
  kind: SegmentKind;
  weight: number;
  wrong: boolean;
}

/** `null` for names that are not loaded yet: nothing is called unknown then. */
export function highlight(prompt: string, dialect = "a1111", known: KnownNames | null = null): Segment[] {
  if (!prompt) return [];
  const marks: Mark[] = Array.from({ length: prompt.length }, () => ({ kind: "text", weight: 1, wrong: false }));
  const mark = (start: number, end: number, kind: SegmentKind, wrong: boolean) => {
    for (let i = start; i < end; i++) Object.assign(marks[i] ?? {}, { kind, wrong });
  };
  if (dialect !== "plain") weigh(prompt, dialect, marks);
  if (dialect === "a1111") {
    for (const match of prompt.matchAll(KEYWORD)) mark(match.index, match.index + match[0].length, "keyword", false);
    for (const match of prompt.matchAll(WILDCARD)) {
      const wrong = known !== null && !known.wildcard.has(match[1] ?? "");
      mark(match.index, match.index + match[0].length, "wildcard", wrong);
    }
    for (const match of prompt.matchAll(NETWORK)) {
      const names = { lora: known?.lora, lyco: known?.lora, hypernet: known?.hypernet }[match[1] ?? ""];
      mark(match.index, match.index + match[0].length, "network", names !== undefined && !names.has(match[2] ?? ""));
    }
  }
  return runs(prompt, marks);
}

/** Multiplies the weights of what stands within brackets; a bracket that stays alone is wrong. */
function weigh(prompt: string, dialect: string, marks: Mark[]) {
  const open: number[] = [];
  for (let i = 0; i < prompt.length; i++) {
    const sign = prompt[i];
    if (sign === "\\") i++;
    else if (sign === "(" || (sign === "[" && dialect === "a1111")) open.push(i);
    else if (sign === ")" || (sign === "]" && dialect === "a1111")) {
      const start = open.at(-1);
      if (start === undefined || (prompt[start] === "(") !== (sign === ")")) {
        Object.assign(marks[i] ?? {}, { wrong: true });
        continue;
      }
      open.pop();
      close(prompt, start, i, marks);
    }
  }
  for (const i of open) Object.assign(marks[i] ?? {}, { wrong: true });
}

function close(prompt: string, start: number, end: number, marks: Mark[]) {
  const inside = prompt.slice(start + 1, end);
  const number = NUMBER_AT_END.exec(inside);
  const scheduled = prompt[start] === "[" && (inside.includes("|") || number !== null);
  if (scheduled) {
    for (let i = start; i <= end; i++) Object.assign(marks[i] ?? {}, { kind: "schedule" });
    return;
  }
  const factor = prompt[start] === "[" ? 1 / 1.1 : number ? Number(number[1]) : 1.1;
  for (let i = start; i <= end; i++) {
    const mark = marks[i];
    if (mark) mark.weight *= factor;
  }
}

function runs(prompt: string, marks: Mark[]): Segment[] {
  const segments: Segment[] = [];
  marks.forEach((mark, i) => {
    const last = segments.at(-1);
    const weight = Math.round(mark.weight * 1000) / 1000;
    if (last && last.kind === mark.kind && last.weight === weight && last.wrong === mark.wrong) last.text += prompt[i];
    else segments.push({ ...mark, weight, text: prompt[i] ?? "" });
  });
  return segments;
}
