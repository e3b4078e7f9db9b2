import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { GenerationRequest } from "../../api/types";
import { useDraft } from "../../state/draft";
import { Field } from "../Field";
import { useField } from "./useField";

type ChoiceName = "dialect" | "emphasis" | "lora_application" | "tiling" | "step_rule" | "noise_source";

/** One of the words that the schema allows for a field of the draft's request. */
export function RequestSelect({ name }: { name: ChoiceName }) {
  const { t } = useTranslation("fields");
  const value = useDraft((draft) => draft.request[name]);
  const set = useDraft((draft) => draft.set);
  const { label, help, choices, fallback } = useField(name);
  return (
    <Field label={label} help={help}>
      <Select
        data={choices.map((value) => ({ value, label: t(`choice.${name}_${value}`, { defaultValue: value }) }))}
        value={value ?? String(fallback)}
        onChange={(next) => set({ [name]: (next ?? undefined) as GenerationRequest[ChoiceName] | undefined })}
        allowDeselect={false}
        size="sm"
      />
    </Field>
  );
}
