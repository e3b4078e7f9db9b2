import { Select, SimpleGrid, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices } from "../../api/queries";
import { useDraft } from "../../state/draft";
import { withChosen } from "../choices";
import { Field } from "../Field";
import { RequestNumber } from "../request/RequestNumber";
import { modelDefault, useField, useModelCard } from "../request/useField";
import { SamplerOptions } from "./SamplerOptions";

export function Sampling() {
  return (
    <>
      <SimpleGrid cols={2} spacing="sm">
        <SamplerSelect />
        <ScheduleSelect />
      </SimpleGrid>
      <RequestNumber name="steps" slider={[1, 60]} />
      <RequestNumber name="guidance_scale" slider={[1, 20]} step={0.5} decimals={2} />
      <SamplerOptions />
    </>
  );
}

function SamplerSelect() {
  const { t } = useTranslation("samplers");
  const { data } = useChoices();
  const value = useDraft((draft) => draft.request.sampler);
  const set = useDraft((draft) => draft.set);
  const { label, help } = useField("sampler");
  const usual = modelDefault(useModelCard(), "sampler");
  const about = new Map(data?.samplers.map((sampler) => [sampler.name, sampler.about]));
  return (
    <Field label={label} help={help}>
      <Select
        data={withChosen(data?.samplers.map(({ name }) => ({ value: name, label: name })) ?? [], value)}
        value={value ?? null}
        // Options are the sampler's own: another one has others.
        onChange={(sampler) => set({ sampler: sampler ?? undefined, sampler_options: undefined })}
        placeholder={usual === undefined ? undefined : String(usual)}
        searchable
        clearable
        size="sm"
        maxDropdownHeight={360}
        comboboxProps={{ width: 300, position: "bottom-start" }}
        renderOption={({ option }) => (
          <Option name={option.label} about={t(`sampler.${option.value}`, { defaultValue: about.get(option.value) })} />
        )}
      />
    </Field>
  );
}

function ScheduleSelect() {
  const { t } = useTranslation("paint");
  const { data } = useChoices();
  const value = useDraft((draft) => draft.request.schedule);
  const set = useDraft((draft) => draft.set);
  const { label, help } = useField("schedule");
  const schedules = data?.schedules.filter((schedule) => schedule.name !== "automatic") ?? [];
  const about = new Map(schedules.map((schedule) => [schedule.name, schedule.about]));
  return (
    <Field label={label} help={help}>
      <Select
        data={withChosen(schedules.map(({ name, label }) => ({ value: name, label })), value)}
        value={value ?? null}
        onChange={(schedule) => set({ schedule: schedule ?? undefined })}
        placeholder={t("automatic")}
        clearable
        size="sm"
        maxDropdownHeight={360}
        comboboxProps={{ width: 300, position: "bottom-end" }}
        renderOption={({ option }) => (
          <Option
            name={option.label}
            about={t(`samplers:schedule.${option.value}`, { defaultValue: about.get(option.value) })}
          />
        )}
      />
    </Field>
  );
}

function Option({ name, about }: { name: string; about?: string }) {
  return (
    <div>
      <Text size="sm">{name}</Text>
      {about && (
        <Text size="xs" c="dimmed" lineClamp={2}>
          {about}
        </Text>
      )}
    </div>
  );
}
