import { useTranslation } from "react-i18next";
import { useModels, useSchema } from "../../api/queries";
import type { GenerationRequest, ModelCard, SchemaField } from "../../api/types";
import { useDraft } from "../../state/draft";

export type FieldName = keyof GenerationRequest;

/** The model that the draft is painted with, as far as it is known. */
export function useModelCard(): ModelCard | undefined {
  const name = useDraft((draft) => draft.request.model);
  const { data: models } = useModels("checkpoints");
  return models?.find((model) => (name ? model.name === name : model.default));
}

export interface FieldFacts {
  label: string;
  help: string;
  min?: number;
  max?: number;
  step?: number;
  /** What the schema says: null leaves it to the model. */
  fallback: unknown;
  choices: string[];
}

/** Words and bounds of a field of the request; `of` names a part of it, such as "HiresPass". */
export function useField(name: string, of?: string): FieldFacts {
  const { t } = useTranslation("fields");
  const { data } = useSchema();
  const schema = of ? data?.request.$defs?.[of] : data?.request;
  const facts = schema?.properties?.[name];
  const kinds: SchemaField[] = facts ? [facts, ...(facts.anyOf ?? [])] : [];
  const find = <K extends keyof SchemaField>(key: K) => kinds.find((kind) => kind[key] !== undefined)?.[key];
  const key = of ? `${of}_${name}` : name;
  return {
    label: t([`label.${key}`, `label.${name}`], { defaultValue: name }),
    help: t([`help.${key}`, `help.${name}`], { defaultValue: facts?.description ?? "" }),
    min: find("minimum") ?? find("exclusiveMinimum"),
    max: find("maximum"),
    step: find("multipleOf"),
    fallback: facts?.default ?? null,
    choices: find("enum") ?? [],
  };
}

/** What the model takes for a field that is left to it. */
export function modelDefault(card: ModelCard | undefined, name: string): string | number | undefined {
  const defaults: Partial<Record<string, string | number | null>> = {
    width: card?.width,
    height: card?.height,
    steps: card?.steps,
    sampler: card?.sampler,
    schedule: card?.schedule,
    guidance_scale: card?.guidance_scale,
    strength: card?.purpose === "instruct" ? 1 : 0.75,
  };
  return defaults[name] ?? undefined;
}
