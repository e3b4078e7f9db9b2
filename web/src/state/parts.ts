import type { DraftRequest } from "./draft";

/** The parts of a prompt, which AND joins where it stands alone, in capitals; only A1111's dialect knows them. */
export function partsOf({ prompt = "", dialect = "a1111" }: DraftRequest): string[] {
  return dialect === "a1111" ? prompt.split(/\bAND\b/).map((part) => part.trim()) : [];
}
