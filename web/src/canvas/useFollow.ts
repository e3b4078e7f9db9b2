import { useEffect } from "react";
import { useDraft } from "../state/draft";
import { follow, save } from "./keeping";

/** Keep the canvas at what the draft says, and what is painted safe when the page is left. */
export function useFollow(): void {
  const { init_image, mask_image, regions } = useDraft((draft) => draft.request);
  useEffect(() => {
    void follow();
  }, [init_image, mask_image, regions]);
  useEffect(() => {
    // A page that is hidden may never be shown again
    const onHide = () => document.visibilityState === "hidden" && save();
    document.addEventListener("visibilitychange", onHide);
    return () => document.removeEventListener("visibilitychange", onHide);
  }, []);
}
