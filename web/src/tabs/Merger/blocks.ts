// Blocks of a U-Net, and curves over them. `at` goes from 0, the outermost, to 1 in the middle and back to 0.

export interface Block {
  name: string;
  side: "in" | "middle" | "out";
  at: number;
}

export interface Difference {
  block: string;
  tensors: number;
  distance: number | null;
  cosine: number | null;
}

const numbered = (side: string, count: number) => Array.from({ length: count }, (_, i) => `${side}${String(i).padStart(2, "0")}`);

/** The names of a family's blocks: the starter has half as many as Stable Diffusion. */
export function usual(family: string | null): string[] {
  const count = family === "starter" ? 6 : 12;
  return [...numbered("IN", count), "M00", ...numbered("OUT", count)];
}

/** The blocks by their names, in the order in which a picture goes through them; BASE is not among them. */
export function blocksOf(names: readonly string[]): Block[] {
  const of = (side: string) => names.filter((name) => name.startsWith(side)).sort();
  const ins = of("IN");
  const outs = of("OUT");
  const part = (index: number, count: number) => (count > 1 ? index / (count - 1) : 1);
  return [
    ...ins.map((name, i): Block => ({ name, side: "in", at: part(i, ins.length) })),
    ...of("M").map((name): Block => ({ name, side: "middle", at: 1 })),
    ...outs.map((name, i): Block => ({ name, side: "out", at: 1 - part(i, outs.length) })),
  ];
}

const round = (value: number) => Math.round(value * 100) / 100;

/** Multipliers by their preset; each is a curve over the depth or the side of a block. */
export const PRESETS: Record<string, (block: Block) => number> = {
  inputs: ({ side }) => (side === "in" ? 1 : 0),
  outputs: ({ side }) => (side === "out" ? 1 : 0),
  inside: ({ at }) => round(at),
  outside: ({ at }) => round(1 - at),
  rising: ({ side, at }) => round(side === "out" ? 1 - at / 2 : at / 2),
  falling: ({ side, at }) => round(side === "out" ? at / 2 : 1 - at / 2),
};

export function preset(name: string, blocks: readonly Block[]): Record<string, number> {
  const curve = PRESETS[name];
  return curve ? Object.fromEntries(blocks.map((block) => [block.name, curve(block)])) : {};
}
