import type { TrainSpec } from "../../api/types";
import type { DraftRequest } from "../../state/draft";

/** What a training has made, put into a request: named in the prompt, or as the model that paints. */
export function used(spec: TrainSpec, files: readonly string[], request: DraftRequest): DraftRequest {
  const names = files.map((file) => file.replace(/\.[^.]+$/, ""));
  const written = {
    lora: names.map((name) => `<lora:${name}:1>`),
    hypernetwork: names.map((name) => `<hypernet:${name}:1>`),
    embedding: names,
    controlnet: [],
    dreambooth: [],
    diffusion: [],
  }[spec.training].filter((text) => !request.prompt?.includes(text));
  const prompt = [request.prompt?.trim(), ...written].filter(Boolean).join(" ");
  if (spec.training === "dreambooth" || spec.training === "diffusion") return { model: names[0] ?? null };
  // It was learned on this model, and seldom suits another family.
  return spec.model ? { prompt, model: spec.model } : { prompt };
}
