import { SegmentedControl, Select, SimpleGrid, Switch } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices, useSettings } from "../../api/queries";
import { Field } from "../../components/Field";
import { NumberField } from "../../components/NumberField";
import { useExtras } from "./form";

/** How large, by what, and as which file. */
export function Fields() {
  const { t } = useTranslation("extras");
  const { form, set } = useExtras();
  const { data: choices } = useChoices();
  const { data: settings } = useSettings();
  const upscalers = choices?.upscalers ?? [];
  const named = (names: string[]) => names.map((name) => ({ value: name, label: t(`upscalers.${name}`, { defaultValue: name }) }));
  return (
    <>
      <SegmentedControl
        fullWidth
        aria-label={t("by")}
        data={[
          { value: "scale", label: t("byScale") },
          { value: "size", label: t("bySize") },
        ]}
        value={form.by}
        onChange={(by) => set({ by: by as typeof form.by })}
      />
      {form.by === "scale" ? <Scale /> : <Size />}
      <Field label={t("upscaler")} help={t("upscalerHelp")}>
        <Select
          data={named(upscalers)}
          value={form.upscaler}
          onChange={(upscaler) => upscaler && set({ upscaler })}
          allowDeselect={false}
        />
      </Field>
      <Field label={t("upscaler2")} help={t("upscaler2Help")}>
        <Select
          data={named(upscalers.filter((name) => name !== form.upscaler))}
          value={form.upscaler2}
          onChange={(upscaler2) => set({ upscaler2 })}
          placeholder={t("common:none")}
          clearable
        />
      </Field>
      {form.upscaler2 && (
        <NumberField
          label={t("visibility2")}
          value={form.visibility2}
          onChange={(value) => set({ visibility2: value ?? 0.5 })}
          slider={[0, 1]}
          min={0}
          max={1}
          step={0.05}
          decimals={2}
        />
      )}
      <Field label={t("faces")} help={t(choices && choices.faces.length === 0 ? "facesNone" : "facesHelp")}>
        <Select
          data={choices?.faces ?? []}
          value={form.faces}
          onChange={(faces) => set({ faces })}
          placeholder={t("common:none")}
          disabled={choices?.faces.length === 0}
          clearable
        />
      </Field>
      {form.faces && (
        <NumberField
          label={t("faceVisibility")}
          value={form.faceVisibility}
          onChange={(value) => set({ faceVisibility: value ?? 1 })}
          slider={[0, 1]}
          min={0}
          max={1}
          step={0.05}
          decimals={2}
        />
      )}
      <Field label={t("format")}>
        <Select
          data={choices?.formats ?? []}
          value={form.format}
          onChange={(format) => set({ format: choices?.formats.find((known) => known === format) ?? null })}
          placeholder={settings?.format}
          clearable
        />
      </Field>
    </>
  );
}

function Scale() {
  const { t } = useTranslation("extras");
  const { form, set } = useExtras();
  return (
    <>
      <NumberField
        label={t("scale")}
        value={form.scale}
        onChange={(scale) => set({ scale: scale ?? 4 })}
        slider={[1, 8]}
        min={0.1}
        max={16}
        step={0.25}
        decimals={2}
      />
      <NumberField
        label={t("maxSide")}
        help={t("maxSideHelp")}
        value={form.maxSide}
        onChange={(maxSide) => set({ maxSide })}
        placeholder={t("noLimit")}
        min={1}
        max={30000}
      />
    </>
  );
}

function Size() {
  const { t } = useTranslation("extras");
  const { form, set } = useExtras();
  return (
    <>
      <SimpleGrid cols={2} spacing="sm">
        <NumberField label={t("width")} value={form.width} onChange={(width) => set({ width })} min={1} max={30000} />
        <NumberField label={t("height")} value={form.height} onChange={(height) => set({ height })} min={1} max={30000} />
      </SimpleGrid>
      <Switch
        label={t("crop")}
        description={t("cropHelp")}
        checked={form.crop}
        onChange={(event) => set({ crop: event.currentTarget.checked })}
      />
    </>
  );
}
