import { useEffect } from "react";
import type { RegionMask } from "../api/types";
import { useDraft } from "../state/draft";
import { follow, save } from "./keeping";

const NO_REGIONS: readonly RegionMask[] = [];

/** Keep the canvas at what the draft says, and what is painted safe when the page is left. */
export function useFollow(): void {
  const { init_image, mask_image, regions } = useDraft((draft) => draft.request);
  useEffect(() => {
    void follow({ picture: init_image ?? null, mask: mask_image ?? null, regions: regions ?? NO_REGIONS });
  }, [init_image, mask_image, regions]);
  useEffect(() => {
    // A page that is hidden may never be shown again
    const onHide = () => document.visibilityState === "hidden" && save();
    document.addEventListener("visibilitychange", onHide);
    return () => document.removeEventListener("visibilitychange", onHide);
  }, []);
}
