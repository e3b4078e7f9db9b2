/** The units of the draft: what a new one is, and what they are called. */
import type { ControlUnit } from "../api/types";

/** The model of a unit that needs no network: the painting looks at the picture itself. */
export const REFERENCE = "reference_only";

/** Preprocessors that leave the picture as it is, so that there is nothing to preview. */
const IDENTITIES: readonly string[] = ["none", "inpaint"];

export function newUnit(models: readonly string[], preprocessors: readonly string[]): ControlUnit {
  return withModel({ model: REFERENCE, image: "" }, models[0] ?? REFERENCE, preprocessors);
}

/** The unit with another model; its preprocessor follows where the model's name says what it reads. */
export function withModel(unit: ControlUnit, model: string, preprocessors: readonly string[]): ControlUnit {
  const preprocessor = model === REFERENCE ? "none" : (suggested(model, preprocessors) ?? unit.preprocessor);
  // Thresholds are those of the preprocessor
  const thresholds = preprocessor === unit.preprocessor ? {} : { threshold_a: null, threshold_b: null };
  return { ...unit, model, preprocessor, model_hash: undefined, ...thresholds };
}

/** The preprocessor that a model's name speaks of, such as "canny" in "control_v11p_sd15_canny". */
export function suggested(model: string, preprocessors: readonly string[]): string | null {
  const words = model.toLowerCase().split(/[^a-z0-9]+/);
  return preprocessors.find((name) => !IDENTITIES.includes(name) && words.includes(name)) ?? null;
}

export function isIdentity(preprocessor: string | undefined): boolean {
  return IDENTITIES.includes(preprocessor ?? "none");
}
