import { Group, Select, SimpleGrid, Switch } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices, useSettings } from "../../api/queries";
import type { PictureFormat } from "../../api/types";
import { useDraft } from "../../state/draft";
import { Field, Help } from "../Field";
import { ModelPicker } from "../ModelPicker";
import { RequestNumber } from "../request/RequestNumber";
import { RequestSelect } from "../request/RequestSelect";
import { RequestSwitch } from "../request/RequestSwitch";
import { useField } from "../request/useField";

export function Advanced() {
  const { t } = useTranslation("paint");
  const vae = useDraft((draft) => draft.request.vae);
  const { variants, format, set, setExtras } = useDraft();
  const { label, help } = useField("vae");
  const { data: choices } = useChoices();
  const { data: settings } = useSettings();
  return (
    <>
      <Group gap={6} wrap="nowrap">
        <Switch
          label={t("variants")}
          checked={variants}
          onChange={(event) => setExtras({ variants: event.currentTarget.checked })}
        />
        <Help text={t("variantsHelp")} />
      </Group>
      <SimpleGrid cols={2} spacing="sm">
        <ModelPicker
          label={label}
          help={help}
          kind="vae"
          value={vae ?? null}
          onChange={(name) => set({ vae: name ?? undefined })}
          placeholder={t("modelsOwn")}
        />
        <Field label={t("format")} help={t("formatHelp")}>
          <Select
            data={choices?.formats ?? []}
            value={format}
            placeholder={settings?.format}
            onChange={(next) => setExtras({ format: next as PictureFormat | null })}
            clearable
            size="sm"
          />
        </Field>
        <RequestNumber name="batch_size" />
        <RequestNumber name="eta_noise_seed_delta" />
        <RequestSelect name="noise_source" />
        <RequestSelect name="lora_application" />
      </SimpleGrid>
      <RequestSwitch name="watermark" />
      <RequestSwitch name="safety_checker" />
    </>
  );
}
