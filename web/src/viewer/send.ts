import { useTranslation } from "react-i18next";
import type { ControlUnit, GenerationRequest, PictureSource, Seed } from "../api/types";
import { notify } from "../components/notify";
import { REFERENCE } from "../control/units";
import { useDraft } from "../state/draft";
import { useNavigation } from "../state/navigation";
import { loadable } from "./loadable";
import { useViewer } from "./state";

/** Where a picture or its settings can be taken to; each of them closes the viewer and opens the tab. */
export function useSend() {
  const { t } = useTranslation("viewer");
  const { go } = useNavigation();
  const close = useViewer((state) => state.close);
  const leave = (tab: "paint" | "extras" | "info", params?: Record<string, string>) => {
    close();
    go(tab, params);
  };

  return {
    settings: (request: Partial<GenerationRequest>) => {
      const { request: taken, left } = loadable(request);
      useDraft.getState().replace(taken);
      leave("paint");
      const names = left.map((name) => t(`field.${name}`)).join(", ");
      notify(left.length ? `${t("send.done")}. ${t("send.left", { names })}` : t("send.done"));
    },
    seed: (seed: Seed) => {
      useDraft.getState().set({ seed });
      notify(t("send.seedDone", { seed }));
    },
    start: (picture: PictureSource, mode: "img2img" | "inpaint") => {
      // A mask and margins belong to the picture that they were made for.
      const none = { mask_image: undefined, outpaint_left: undefined, outpaint_right: undefined };
      const draft = useDraft.getState();
      draft.set({ ...none, outpaint_top: undefined, outpaint_bottom: undefined, init_image: picture });
      draft.setMode(mode);
      leave("paint");
    },
    control: (picture: PictureSource) => {
      const draft = useDraft.getState();
      const unit: ControlUnit = { model: REFERENCE, image: picture };
      draft.set({ controls: [...(draft.request.controls ?? []), unit] });
      leave("paint");
    },
    extras: (picture: PictureSource) => leave("extras", { picture }),
    info: (picture: PictureSource) => leave("info", { picture }),
  };
}
