import type { MergeMethod, MergeSpec } from "../../api/types";
import { keptForm } from "../../state/kept";

export interface MergeForm {
  models: [string | null, string | null, string | null];
  method: string;
  /** null: the method's default. */
  multiplier: number | null;
  /** Multipliers of single blocks; the others have `multiplier`. */
  blocks: Record<string, number>;
  density: number;
  drop: number;
  seed: number;
  vae: string | null;
  discard: string;
  precision: "float32" | "float16" | "bfloat16" | null;
  name: string;
}

export const useMerge = keptForm<MergeForm>("merger", {
  models: [null, null, null],
  method: "weighted-sum",
  multiplier: null,
  blocks: {},
  density: 0.2,
  drop: 0.9,
  seed: 0,
  vae: null,
  discard: "",
  precision: null,
  name: "",
});

/** The first of the models that are missing, by its place; null where all that the method takes are there. */
export function missing(form: MergeForm, count: number): number | null {
  const place = form.models.slice(0, count).findIndex((model) => !model);
  return place < 0 ? null : place;
}

/** The job that the form asks for; of what the method does not use, nothing. */
export function specOf(form: MergeForm, method: MergeMethod): MergeSpec {
  const blocks = Object.entries(form.blocks).map(([block, value]) => `${block}=${value}`);
  return {
    kind: "merge",
    models: form.models.slice(0, method.models).filter((model) => model !== null),
    method: method.name,
    ...(method.models > 1 && { multiplier: form.multiplier, blocks: blocks.join(",") || null }),
    ...(method.name === "ties" && { density: form.density }),
    ...(method.name === "dare" && { drop: form.drop, seed: form.seed }),
    vae: form.vae,
    discard: form.discard || null,
    precision: form.precision,
    name: form.name.trim() || null,
  };
}

/** How far B is from A in each block; writes nothing. */
export function comparisonOf([a, b]: MergeForm["models"]): MergeSpec | null {
  return a && b ? { kind: "merge", models: [a, b], compare: true } : null;
}
