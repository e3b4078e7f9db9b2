import { SimpleGrid, Switch, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices } from "../../api/queries";
import type { OptionValue } from "../../api/types";
import { useDraft } from "../../state/draft";
import { Field } from "../Field";
import { NumberField } from "../NumberField";
import { modelDefault, useModelCard } from "../request/useField";

/** What the chosen sampler lets be set; the names are its own. */
export function SamplerOptions() {
  const { t } = useTranslation("paint");
  const { data } = useChoices();
  const { sampler: chosen, sampler_options: values = {} } = useDraft((draft) => draft.request);
  const set = useDraft((draft) => draft.set);
  const card = useModelCard();
  const name = chosen ?? modelDefault(card, "sampler");
  const sampler = data?.samplers.find((sampler) => sampler.name === name);
  const options = Object.entries(sampler?.options ?? {});
  if (options.length === 0) return null;

  const change = (option: string, value: OptionValue | null) => {
    const { [option]: _before, ...others } = values;
    const next = value === null ? others : { ...others, [option]: value };
    set({ sampler_options: Object.keys(next).length ? next : undefined });
  };
  return (
    <SimpleGrid cols={2} spacing="sm" role="group" aria-label={t("samplerOptions")}>
      {options.map(([option, usual]) => {
        const value = values[option];
        if (typeof usual === "boolean")
          return (
            <Switch
              key={option}
              label={option}
              checked={(value ?? usual) === true}
              onChange={(event) => change(option, event.currentTarget.checked)}
            />
          );
        if (typeof usual === "string")
          return (
            <Field key={option} label={option}>
              <TextInput
                size="sm"
                value={String(value ?? "")}
                placeholder={usual}
                onChange={(event) => change(option, event.currentTarget.value || null)}
              />
            </Field>
          );
        return (
          <NumberField
            key={option}
            label={option}
            value={typeof value === "number" ? value : null}
            onChange={(next) => change(option, next)}
            placeholder={usual ?? t("automatic")}
            step={0.1}
            decimals={6}
          />
        );
      })}
    </SimpleGrid>
  );
}
