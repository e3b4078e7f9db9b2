import { useEffect } from "react";
import { useDraft } from "../state/draft";
import type { Size } from "./geometry";
import { follow, save } from "./keeping";

/**
 * Keep the canvas at what the draft says, and what is painted safe when the page is left. `sheet` is the size of the
 * blank one on which regions are painted where there is no picture to start from; null: there are no regions.
 */
export function useFollow(sheet: Size | null): void {
  const mode = useDraft((draft) => draft.mode);
  const { init_image, mask_image, regions } = useDraft((draft) => draft.request);
  const { width, height } = sheet ?? {};
  useEffect(() => {
    void follow(width && height ? { width, height } : null);
  }, [mode, init_image, mask_image, regions, width, height]);
  useEffect(() => {
    // A page that is hidden may never be shown again
    const onHide = () => document.visibilityState === "hidden" && save();
    document.addEventListener("visibilitychange", onHide);
    return () => document.removeEventListener("visibilitychange", onHide);
  }, []);
}
