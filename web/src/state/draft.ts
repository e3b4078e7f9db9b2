// What is about to be painted. Each browser tab has its own draft, which survives a reload; a new tab starts from the
// newest one. A field that is absent takes the model's default.

import { create } from "zustand";
import type { GenerationRequest, Mode, PictureFormat } from "../api/types";

export type DraftRequest = Partial<GenerationRequest>;

export interface Kept {
  request: DraftRequest;
  mode: Mode;
  styles: string[];
  variants: boolean;
  format: PictureFormat | null;
}

export interface Draft extends Kept {
  /** Change fields of the request; undefined removes one, which leaves it to the model. */
  set: (fields: DraftRequest) => void;
  /** Another request as a whole; the mode follows from what it holds, unless it is said. */
  replace: (request: DraftRequest, mode?: Mode) => void;
  setMode: (mode: Mode) => void;
  /** Change what goes around the request. */
  setExtras: (extras: Partial<Pick<Kept, "styles" | "variants" | "format">>) => void;
}

const KEY = "inkbloom.draft";
const EMPTY: Kept = { request: {}, mode: "txt2img", styles: [], variants: false, format: null };

/** Provenance that a new painting finds out by itself. */
const FOUND_OUT = ["model_hash", "vae_hash", "network_hashes", "a1111_hashes", "device"] as const;

export function modeOf(request: DraftRequest): Mode {
  if (!request.init_image) return "txt2img";
  const sides = [request.outpaint_left, request.outpaint_right, request.outpaint_top, request.outpaint_bottom];
  return request.mask_image || sides.some(Boolean) ? "inpaint" : "img2img";
}

/** Without what is undefined, and without provenance. */
export function cleaned(request: DraftRequest): DraftRequest {
  const fields = Object.entries(request).filter(
    ([name, value]) => value !== undefined && !(FOUND_OUT as readonly string[]).includes(name),
  );
  return Object.fromEntries(fields) as DraftRequest;
}

function load(): Kept {
  for (const storage of [sessionStorage, localStorage]) {
    try {
      const kept = JSON.parse(storage.getItem(KEY) ?? "null") as Partial<Kept> | null;
      if (kept) return { ...EMPTY, ...kept };
    } catch {
      storage.removeItem(KEY); // of another version, or cut off: an empty draft is better than no page
    }
  }
  return EMPTY;
}

export const useDraft = create<Draft>((set) => ({
  ...load(),
  set: (fields) => set((draft) => ({ request: cleaned({ ...draft.request, ...fields }) })),
  replace: (request, mode) => set({ request: cleaned(request), mode: mode ?? modeOf(request) }),
  setMode: (mode) => set({ mode }),
  setExtras: (extras) => set(extras),
}));

useDraft.subscribe(({ request, mode, styles, variants, format }) => {
  const text = JSON.stringify({ request, mode, styles, variants, format } satisfies Kept);
  sessionStorage.setItem(KEY, text);
  localStorage.setItem(KEY, text);
});
