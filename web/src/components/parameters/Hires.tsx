import { Select, SimpleGrid, Switch, Textarea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices } from "../../api/queries";
import type { HiresPass } from "../../api/types";
import { useDraft } from "../../state/draft";
import { withChosen } from "../choices";
import { Field } from "../Field";
import { PartNumber, without } from "../request/PartNumber";
import { useField } from "../request/useField";

/** A second pass at a higher resolution. */
export function Hires() {
  const { t } = useTranslation("paint");
  const hires = useDraft((draft) => draft.request.hires) ?? null;
  const set = useDraft((draft) => draft.set);
  const { data: choices } = useChoices();
  const change = (fields: Partial<HiresPass>) => set({ hires: without({ ...hires, ...fields }) });
  const upscalers = [...(choices?.latent_upscalers ?? []), ...(choices?.upscalers ?? [])];
  return (
    <>
      <Switch
        label={t("useHires")}
        description={t("useHiresHelp")}
        checked={hires !== null}
        onChange={(event) => set({ hires: event.currentTarget.checked ? {} : undefined })}
      />
      {hires && (
        <>
          <PartNumber part="hires" name="scale" slider={[1, 4]} step={0.05} decimals={2} />
          <PartSelect
            name="upscaler"
            data={upscalers.map((name) => ({ value: name, label: name }))}
            value={hires.upscaler ?? null}
            usual="Latent"
            onChange={change}
          />
          <PartNumber part="hires" name="strength" slider={[0, 1]} step={0.05} decimals={2} />
          <SimpleGrid cols={2} spacing="sm">
            <PartNumber part="hires" name="width" placeholder={t("byScale")} />
            <PartNumber part="hires" name="height" placeholder={t("byScale")} />
            <PartNumber part="hires" name="steps" placeholder={t("asFirst")} />
            <PartNumber part="hires" name="guidance_scale" placeholder={t("asFirst")} decimals={2} step={0.5} />
            <PartSelect
              name="sampler"
              data={choices?.samplers.map(({ name }) => ({ value: name, label: name })) ?? []}
              value={hires.sampler ?? null}
              usual={t("asFirst")}
              onChange={change}
            />
            <PartSelect
              name="schedule"
              data={choices?.schedules.map(({ name, label }) => ({ value: name, label })) ?? []}
              value={hires.schedule ?? null}
              usual={t("asFirst")}
              onChange={change}
            />
          </SimpleGrid>
          <PartText name="prompt" value={hires.prompt ?? null} usual={t("asFirst")} onChange={change} />
          <PartText
            name="negative_prompt"
            value={hires.negative_prompt ?? null}
            usual={t("asFirst")}
            onChange={change}
          />
        </>
      )}
    </>
  );
}

interface PartProps {
  name: "upscaler" | "sampler" | "schedule" | "prompt" | "negative_prompt";
  value: string | null;
  usual: string;
  onChange: (fields: Partial<HiresPass>) => void;
}

interface SelectProps extends PartProps {
  data: { value: string; label: string }[];
}

function PartSelect({ name, value, usual, onChange, data }: SelectProps) {
  const { label, help } = useField(name, "HiresPass");
  return (
    <Field label={label} help={help}>
      <Select
        data={withChosen(data, value)}
        value={value}
        placeholder={usual}
        onChange={(next) => onChange({ [name]: next })}
        clearable
        searchable
        size="sm"
      />
    </Field>
  );
}

function PartText({ name, value, usual, onChange }: PartProps) {
  const { label, help } = useField(name, "HiresPass");
  return (
    <Field label={label} help={help}>
      <Textarea
        value={value ?? ""}
        placeholder={usual}
        onChange={(event) => onChange({ [name]: event.currentTarget.value || null })}
        autosize
        minRows={1}
        maxRows={6}
      />
    </Field>
  );
}
