import { create } from "zustand";
import { createJSONStorage, persist } from "zustand/middleware";
import { ALL, type Filters } from "./filters";

interface GalleryState {
  filters: Filters;
  change: (filters: Partial<Filters>) => void;
}

/** What was looked for stays as it was while other tabs are open, and over a reload; each browser tab has its own. */
export const useGallery = create<GalleryState>()(
  persist(
    (set) => ({
      filters: ALL,
      change: (changed) => set(({ filters }) => ({ filters: { ...filters, ...changed } })),
    }),
    { name: "inkbloom.gallery", storage: createJSONStorage(() => sessionStorage) },
  ),
);
