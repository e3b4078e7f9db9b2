/** What the canvas shows now, for all who draw it. It outlives a change of the tab; `keeping.ts` alone writes it. */
import { create } from "zustand";
import type { Painting } from "./painting";

/** Something went wrong: a key of the namespace canvas, and what the server said, where it did. */
export interface Problem {
  key: "problem.missing" | "problem.maskMissing" | "problem.saving";
  reason: string;
}

interface CanvasState {
  /** Null where there is nothing to paint on. */
  painting: Painting | null;
  /** The picture under the layers; null on a blank sheet too. */
  base: HTMLImageElement | null;
  loading: boolean;
  /** Whether strokes are on their way to the draft. */
  saving: boolean;
  problem: Problem | null;
}

export const useCanvas = create<CanvasState>(() => ({
  painting: null,
  base: null,
  loading: false,
  saving: false,
  problem: null,
}));
