import type { PictureFormat, PictureSource, UpscaleSpec } from "../../api/types";
import { keptForm } from "../../state/kept";

export interface ExtrasForm {
  images: PictureSource[];
  by: "scale" | "size";
  scale: number;
  maxSide: number | null;
  width: number | null;
  height: number | null;
  crop: boolean;
  upscaler: string;
  upscaler2: string | null;
  visibility2: number;
  faces: string | null;
  faceVisibility: number;
  format: PictureFormat | null;
}

export const useExtras = keptForm<ExtrasForm>("extras", {
  images: [],
  by: "scale",
  scale: 4,
  maxSide: null,
  width: 512,
  height: 512,
  crop: true,
  upscaler: "Starter",
  upscaler2: null,
  visibility2: 0.5,
  faces: null,
  faceVisibility: 1,
  format: null,
});

/** The job that the form asks for. */
export function specOf(form: ExtrasForm): UpscaleSpec {
  const size =
    form.by === "scale"
      ? { scale: form.scale, max_side: form.maxSide ?? 0 }
      : { width: form.width, height: form.height, crop: form.crop };
  const second = form.upscaler2 ? { upscaler2: form.upscaler2, visibility2: form.visibility2 } : {};
  const faces = form.faces ? { faces: form.faces, face_visibility: form.faceVisibility } : {};
  return { kind: "upscale", images: form.images, ...size, upscaler: form.upscaler, ...second, ...faces, format: form.format };
}
