// What the editor does to the text: completing a name, and weighting what is selected.

export interface Edit {
  text: string;
  /** The selection afterwards. */
  start: number;
  end: number;
}

export interface Fragment {
  /** Where the word that is being written begins. */
  start: number;
  /** The name so far, to ask the server for. */
  name: string;
  /** Only names of this kind fit here. */
  kind: "lora" | "hypernet" | "wildcard" | null;
}

/** The name that is being written before the caret, where one may be. */
export function fragmentAt(text: string, caret: number): Fragment | null {
  const before = text.slice(0, caret);
  const tag = /<(?:(lora|lyco|hypernet):)?([^<>:]*)$/.exec(before);
  if (tag) {
    const kind = tag[1] === "hypernet" ? "hypernet" : tag[1] ? "lora" : null;
    return { start: tag.index, name: tag[2] ?? "", kind };
  }
  const wildcard = /(?:^|[\s,(|{])__([\w\-/]*)$/.exec(before);
  if (wildcard) return { start: caret - (wildcard[1] ?? "").length - 2, name: wildcard[1] ?? "", kind: "wildcard" };
  const word = /[^\s,，、()[\]{}|:<>]{2,}$/.exec(before);
  return word && { start: word.index, name: word[0], kind: null };
}

/** The name in place of the fragment, the caret behind it. */
export function complete(text: string, caret: number, fragment: Fragment, insert: string): Edit {
  // The rest of a tag that is being rewritten goes with it.
  const rest = text.slice(caret).replace(insert.startsWith("<") ? /^[^<>\s,]*>/ : /^$/, "");
  const written = text.slice(0, fragment.start) + insert;
  return { text: written + rest, start: written.length, end: written.length };
}

/** The weight of the selection, or of the word at the caret, moved by `delta`: "cat" -> "(cat:1.1)" -> "cat". */
export function emphasise(text: string, start: number, end: number, delta: number): Edit {
  if (start === end) {
    while (start > 0 && !/[\s,()<>[\]:|]/.test(text[start - 1] ?? "")) start--;
    while (end < text.length && !/[\s,()<>[\]:|]/.test(text[end] ?? "")) end++;
  }
  if (start === end) return { text, start, end };
  const chosen = text.slice(start, end);
  const weighted = /^:([\d.]+)\)/.exec(text.slice(end));
  const around = weighted !== null && text[start - 1] === "(";
  const weight = Math.round(((around ? Number(weighted[1]) : 1) + delta) * 100) / 100;
  if (weight < 0) return { text, start, end };
  const head = text.slice(0, around ? start - 1 : start);
  const tail = text.slice(around ? end + weighted[0].length : end);
  if (weight === 1) return { text: head + chosen + tail, start: head.length, end: head.length + chosen.length };
  return {
    text: `${head}(${chosen}:${weight})${tail}`,
    start: head.length + 1,
    end: head.length + 1 + chosen.length,
  };
}
