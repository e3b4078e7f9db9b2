import { create } from "zustand";
import { api } from "../api/client";
import type { PictureInfo, PictureSource } from "../api/types";

/** What is asked how it was made. A file goes as it is: what is uploaded for painting loses what it tells. */
export type Asked = { file: File } | { text: string } | { picture: PictureSource };

export function readInfo(asked: Asked): Promise<PictureInfo> {
  if (!("file" in asked)) return api.post<PictureInfo>("/pictures/info", asked);
  const form = new FormData();
  form.append("file", asked.file, asked.file.name);
  return api.form<PictureInfo>("/pictures/info", form);
}

interface InfoState {
  asked: Asked | null;
  found: PictureInfo | null;
  error: unknown;
  ask: (asked: Asked) => Promise<void>;
  clear: () => void;
}

const NOTHING = { asked: null, found: null, error: null };

/** What the tab Picture info shows; it stays while other tabs are open. */
export const useInfo = create<InfoState>((set, get) => ({
  ...NOTHING,
  ask: async (asked) => {
    set({ asked, found: null, error: null });
    try {
      const found = await readInfo(asked);
      if (get().asked === asked) set({ found });
    } catch (error) {
      if (get().asked === asked) set({ error });
    }
  },
  clear: () => set(NOTHING),
}));
