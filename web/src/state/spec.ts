// From the draft to the job that is sent.

import type { ControlUnit, GenerateSpec, GenerationRequest, Mode } from "../api/types";
import type { Kept } from "./draft";
import { partsOf } from "./parts";

type Field = keyof GenerationRequest;

const OF_PICTURE: Field[] = [
  "init_image", "strength", "step_rule", "resize_mode", "noise_multiplier", "extra_noise", "image_guidance_scale",
];
const OF_MASK: Field[] = [
  "mask_image", "mask_blur", "mask_invert", "mask_soft", "mask_grow", "mask_strength", "masked_content",
  "inpaint_area", "inpaint_padding", "match_colors", "outpaint_left", "outpaint_right", "outpaint_top",
  "outpaint_bottom",
];

/** What the draft keeps for other modes, so that switching there and back loses nothing, but this one does not send. */
const LEFT_OUT: Record<Mode, Field[]> = {
  txt2img: [...OF_PICTURE, ...OF_MASK],
  img2img: [...OF_MASK, "hires"],
  inpaint: ["hires"],
};

export function specOf({ request, mode, styles, variants, format }: Kept): GenerateSpec {
  const sent = { ...request, prompt: request.prompt ?? "" };
  for (const field of LEFT_OUT[mode]) delete sent[field];
  // A region acts on its part of the prompt, which may have been taken back
  const regions = sent.regions?.filter(({ part }) => part <= partsOf(sent).length);
  if (regions) sent.regions = regions;
  const controls = sent.controls?.filter((unit) => unit.enabled !== false && unit.image);
  if (controls) sent.controls = controls.map(withoutSwitch);
  return { kind: "generate", request: sent, styles, variants, format };
}

function withoutSwitch({ enabled: _enabled, ...unit }: ControlUnit): ControlUnit {
  return unit;
}
