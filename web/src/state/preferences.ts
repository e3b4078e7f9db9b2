// What this browser's user prefers; the server's settings are elsewhere, and shared by all.

import { create } from "zustand";
import { persist } from "zustand/middleware";

export interface Preferences {
  /** "" follows the browser. */
  language: "" | "en" | "zh-CN";
  theme: "auto" | "light" | "dark";
  /** Groups of parameters that stand open, by their names. */
  open: string[];
  set: (preferences: Partial<Pick<Preferences, "language" | "theme" | "open">>) => void;
  toggle: (group: string) => void;
}

export const usePreferences = create<Preferences>()(
  persist(
    (set) => ({
      language: "",
      theme: "auto",
      open: ["size", "sampling"],
      set: (preferences) => set(preferences),
      toggle: (group) =>
        set(({ open }) => ({
          open: open.includes(group) ? open.filter((other) => other !== group) : [...open, group],
        })),
    }),
    { name: "inkbloom.preferences", version: 1 },
  ),
);
