import type { TrainingField, TrainSpec } from "../../api/types";
import { keptForm } from "../../state/kept";

export type Kind = TrainSpec["training"];
export const KINDS: Kind[] = ["lora", "embedding", "dreambooth", "hypernetwork", "controlnet", "diffusion"];

export type View = "data" | "settings" | "runs";

export interface TrainForm {
  view: View;
  training: Kind;
  name: string;
  dataset: string | null;
  model: string | null;
  /** What was chosen, for all kinds together; absent is the default. */
  fields: Record<string, unknown>;
}

export const useTrain = keptForm<TrainForm>("train", {
  view: "data",
  training: "lora",
  name: "",
  dataset: null,
  model: null,
  // A run needs an end, and pictures on the way show when it has learned enough.
  fields: { steps: 500, sample_every: 100 },
});

export function setField(name: string, value: unknown): void {
  const { form, set } = useTrain.getState();
  const { [name]: _old, ...others } = form.fields;
  set({ fields: value === null || value === undefined ? others : { ...others, [name]: value } });
}

/** What most trainings are decided by; the rest is folded away. */
const SHARED_MAIN = ["steps", "batch_size", "learning_rate", "resolution", "sample_every", "held_out"];
const OWN_MAIN: Record<Kind, string[]> = {
  lora: ["rank", "alpha"],
  embedding: ["trigger_words", "initial_words"],
  dreambooth: ["train_text_encoder", "prior_weight"],
  hypernetwork: ["layer_structure", "activation"],
  controlnet: [],
  diffusion: ["train_text_encoder"],
};
export const mainOf = (kind: Kind) => [...OWN_MAIN[kind], ...SHARED_MAIN];

/** Fields that name data sets or models, by what they name; the server's list of fields has only plain values. */
export const NAMING = {
  regularisation_data: "datasets",
  mask_folder: "dataset",
  hint_folder: "dataset",
  start_from: "loras",
  control_init: "controlnet",
} as const;
export type NamingField = keyof typeof NAMING;
const NAMING_OF: Record<Kind, NamingField[]> = {
  lora: ["start_from", "regularisation_data", "mask_folder"],
  embedding: ["mask_folder"],
  dreambooth: ["regularisation_data", "mask_folder"],
  hypernetwork: ["mask_folder"],
  controlnet: ["hint_folder", "control_init"],
  diffusion: ["mask_folder"],
};
export const namingOf = (kind: Kind) => NAMING_OF[kind];

const SAMPLES = ["sample_prompts", "sample_seed", "sample_steps"];

/** The job that the form asks for, or null while it lacks a name or a data set. */
export function specOf(form: TrainForm, known: TrainingField[]): TrainSpec | null {
  if (!form.name.trim() || !form.dataset) return null;
  const names = new Set<string>([...known.map((field) => field.name), ...namingOf(form.training), ...SAMPLES]);
  const fields = Object.entries(form.fields).filter(([name, value]) => names.has(name) && value !== null);
  return {
    kind: "train",
    training: form.training,
    name: form.name.trim(),
    dataset: form.dataset,
    model: form.model,
    fields: Object.fromEntries(fields),
  };
}

/** How often each picture is seen: rounds through the data, where the number of steps says it. */
export function rounds(fields: Record<string, unknown>, pictures: number): number | null {
  const number = (name: string, usual: number) => (typeof fields[name] === "number" ? (fields[name] as number) : usual);
  const taught = Math.max(1, Math.round(pictures * (1 - number("held_out", 0)))) * number("repeats", 1);
  if (typeof fields.steps !== "number" || pictures === 0) return null;
  return (fields.steps * number("batch_size", 4)) / taught;
}
