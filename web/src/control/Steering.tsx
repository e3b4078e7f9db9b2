import { RangeSlider, SegmentedControl, Select, SimpleGrid, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Field } from "../components/Field";
import { NumberField } from "../components/NumberField";
import type { UnitProps } from "./UnitCard";
import { REFERENCE } from "./units";

const MODES = ["balanced", "prompt", "control"] as const;
const RESIZES = ["crop", "stretch", "fill"] as const;

/** How strongly a unit acts, when, and how its picture comes to the painted size. */
export function Steering({ unit, onChange }: Pick<UnitProps, "unit" | "onChange">) {
  const { t } = useTranslation("control");
  const isReference = unit.model === REFERENCE;
  const range: [number, number] = [unit.start ?? 0, unit.end ?? 1];
  return (
    <Stack gap="sm">
      <NumberField
        label={t("weight.label")}
        help={t("weight.help")}
        value={unit.weight ?? null}
        onChange={(weight) => onChange({ ...unit, weight: weight ?? undefined })}
        placeholder={1}
        min={0}
        max={2}
        step={0.05}
        decimals={2}
        slider={[0, 2]}
      />
      <Field label={t("range.label")} help={t("range.help")} aside={<Percents range={range} />}>
        <RangeSlider
          value={range}
          onChange={([start, end]) => onChange({ ...unit, start, end })}
          min={0}
          max={1}
          step={0.01}
          minRange={0.01}
          label={null}
          size="sm"
          my="xs"
          thumbFromLabel={t("range.start")}
          thumbToLabel={t("range.end")}
        />
      </Field>
      {isReference ? (
        <NumberField
          label={t("style_fidelity.label")}
          help={t("style_fidelity.help")}
          value={unit.style_fidelity ?? null}
          onChange={(style_fidelity) => onChange({ ...unit, style_fidelity: style_fidelity ?? undefined })}
          placeholder={0.5}
          min={0}
          max={1}
          step={0.05}
          decimals={2}
          slider={[0, 1]}
        />
      ) : (
        <Field label={t("mode.label")} help={t("mode.help")}>
          <SegmentedControl
            fullWidth
            size="xs"
            aria-label={t("mode.label")}
            data={MODES.map((value) => ({ value, label: t(`mode.${value}`) }))}
            value={unit.mode ?? "balanced"}
            onChange={(mode) => onChange({ ...unit, mode })}
          />
        </Field>
      )}
      <SimpleGrid cols={2} spacing="sm">
        <Field label={t("resize_mode.label")} help={t("resize_mode.help")}>
          <Select
            data={RESIZES.map((value) => ({ value, label: t(`resize_mode.${value}`) }))}
            value={unit.resize_mode ?? "crop"}
            onChange={(value) => onChange({ ...unit, resize_mode: RESIZES.find((mode) => mode === value) })}
            allowDeselect={false}
            size="sm"
          />
        </Field>
        <NumberField
          label={t("resolution.label")}
          help={t("resolution.help")}
          value={unit.resolution ?? null}
          onChange={(resolution) => onChange({ ...unit, resolution })}
          placeholder={t("resolution.asPainted")}
          min={64}
          max={4096}
          step={64}
        />
      </SimpleGrid>
    </Stack>
  );
}

function Percents({ range }: { range: [number, number] }) {
  const [start, end] = range.map((part) => Math.round(100 * part));
  return <small>{`${start} – ${end} %`}</small>;
}
