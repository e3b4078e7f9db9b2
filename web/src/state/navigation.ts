// Which tab is shown. It stands in the address after #, so that going back, reloading and bookmarks work.

import { create } from "zustand";

export const TABS = [
  "paint", "gallery", "queue", "extras", "info", "merger", "train", "plot", "models", "settings", "system",
] as const;
export type Tab = (typeof TABS)[number];

interface Place {
  tab: Tab;
  params: Record<string, string>;
}

interface Navigation extends Place {
  go: (tab: Tab, params?: Record<string, string>) => void;
}

/** "#/gallery?q=cat" -> the tab and its parameters; anything else is the first tab. */
export function placeOf(hash: string): Place {
  const [name = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const tab = TABS.find((tab) => tab === name) ?? "paint";
  return { tab, params: Object.fromEntries(new URLSearchParams(query)) };
}

export const useNavigation = create<Navigation>(() => ({
  ...placeOf(location.hash),
  go: (tab, params = {}) => {
    const query = new URLSearchParams(params).toString();
    location.hash = `/${tab}${query && `?${query}`}`;
  },
}));

window.addEventListener("hashchange", () => useNavigation.setState(placeOf(location.hash)));
