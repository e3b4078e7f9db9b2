import type { TrainSpec } from "../../api/types";
import { written } from "../../components/written";
import type { DraftRequest } from "../../state/draft";

const KINDS = { lora: "loras", hypernetwork: "hypernetworks", embedding: "embeddings" } as const;

/** What a training has made, put into a request: named in the prompt, or as the model that paints. */
export function used(spec: TrainSpec, files: readonly string[], request: DraftRequest): DraftRequest {
  const { training } = spec;
  if (training === "dreambooth" || training === "diffusion") return { model: files[0] ?? null };
  if (training === "controlnet") return {};
  const texts = files.map((file) => written(KINDS[training], file)).filter((text) => !request.prompt?.includes(text));
  const prompt = [request.prompt?.trim(), ...texts].filter(Boolean).join(" ");
  // It was learned on this model, and seldom suits another family.
  return spec.model ? { prompt, model: spec.model } : { prompt };
}
