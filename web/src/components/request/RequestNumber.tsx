import type { ReactNode } from "react";
import type { GenerationRequest } from "../../api/types";
import { useDraft } from "../../state/draft";
import { NumberField } from "../NumberField";
import { modelDefault, useField, useModelCard } from "./useField";

type NumberName = {
  [K in keyof GenerationRequest]: NonNullable<GenerationRequest[K]> extends number ? K : never;
}[keyof GenerationRequest];

interface Props {
  name: NumberName;
  slider?: [from: number, to: number];
  step?: number;
  decimals?: number;
  aside?: ReactNode;
  /** What is said while it is left empty, other than the model's default. */
  placeholder?: string;
}

/** A number of the draft's request; empty leaves it to the model. */
export function RequestNumber({ name, placeholder, step, ...rest }: Props) {
  const value = useDraft((draft) => draft.request[name]);
  const set = useDraft((draft) => draft.set);
  const { label, help, min, max, fallback, step: multiple } = useField(name);
  const card = useModelCard();
  const usual = typeof fallback === "number" ? fallback : modelDefault(card, name);
  return (
    <NumberField
      label={label}
      help={help}
      min={min}
      max={max}
      step={step ?? multiple}
      value={value ?? null}
      onChange={(next) => set({ [name]: next ?? undefined })}
      placeholder={placeholder ?? usual}
      {...rest}
    />
  );
}
