import { Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Field } from "../../components/Field";
import { ModelPicker } from "../../components/ModelPicker";
import { Group } from "../../components/parameters/Group";
import { useMerge, type MergeForm } from "./form";

const PRECISIONS: NonNullable<MergeForm["precision"]>[] = ["float32", "float16", "bfloat16"];

/** How the result is called and kept. */
export function Output() {
  const { t } = useTranslation("merger");
  const { form, set } = useMerge();
  return (
    <>
      <Field label={t("name")} help={t("nameHelp")}>
        <TextInput
          value={form.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
          placeholder={t("namePlaceholder")}
          maxLength={100}
        />
      </Field>
      <Group
        name="merger.output"
        label={t("more")}
        active={form.precision !== null || form.vae !== null || form.discard !== ""}
      >
        <Field label={t("precision")} help={t("precisionHelp")}>
          <Select
            data={PRECISIONS}
            value={form.precision}
            onChange={(name) => set({ precision: PRECISIONS.find((known) => known === name) ?? null })}
            placeholder={t("precisionUsual")}
            clearable
          />
        </Field>
        <ModelPicker
          kind="vae"
          label={t("vae")}
          help={t("vaeHelp")}
          value={form.vae}
          onChange={(vae) => set({ vae })}
          placeholder={t("vaeUsual")}
        />
        <Field label={t("discard")} help={t("discardHelp")}>
          <TextInput
            value={form.discard}
            onChange={(event) => set({ discard: event.currentTarget.value })}
            placeholder="^cond_stage_model"
            ff="monospace"
          />
        </Field>
      </Group>
    </>
  );
}
