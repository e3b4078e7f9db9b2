import { Select, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { PicturePlace } from "../canvas/PicturePlace";
import { Field } from "../components/Field";
import { NumberField } from "../components/NumberField";
import { ProcessedPicture } from "./ProcessedPicture";
import type { UnitProps } from "./UnitCard";
import { isIdentity, REFERENCE, withModel } from "./units";

const THRESHOLDS = ["threshold_a", "threshold_b"] as const;
/** From here on a slider would be too coarse to set anything. */
const WIDE = 10_000;

/** Which network reads the picture, and what is made of it before. */
export function Preprocessing({ unit, onChange, models, preprocessors }: UnitProps) {
  const { t } = useTranslation("control");
  const names = preprocessors.map(({ name }) => name);
  const current = unit.preprocessor ?? "none";
  const thresholds = preprocessors.find(({ name }) => name === current)?.thresholds ?? [];
  const known = [...new Set([...models, ...(unit.model === REFERENCE ? [] : [unit.model])])];
  return (
    <Stack gap="sm">
      <Field label={t("model.label")} help={t("model.help")}>
        <Select
          data={[...known.map((value) => ({ value, label: value })), { value: REFERENCE, label: t("reference") }]}
          value={unit.model}
          onChange={(model) => model && onChange(withModel(unit, model, names))}
          allowDeselect={false}
          searchable={known.length > 8}
          size="sm"
        />
      </Field>
      <Field label={t("preprocessor.label")} help={t("preprocessor.help")}>
        <Select
          data={preprocessors.map(({ name, label }) => ({
            value: name,
            label: t(`preprocessors.${name}`, { defaultValue: label }),
          }))}
          value={current}
          onChange={(preprocessor) =>
            preprocessor && onChange({ ...unit, preprocessor, threshold_a: null, threshold_b: null })
          }
          allowDeselect={false}
          size="sm"
        />
      </Field>
      {THRESHOLDS.map((field, i) => {
        const threshold = thresholds[i];
        return (
          threshold && (
            <NumberField
              key={field}
              label={t(`thresholds.${current}_${i + 1}`, { defaultValue: threshold.name })}
              value={unit[field] ?? null}
              onChange={(value) => onChange({ ...unit, [field]: value })}
              placeholder={threshold.default}
              min={threshold.min}
              max={threshold.max}
              step={threshold.max <= 64 ? 0.1 : 1}
              decimals={threshold.max <= 256 ? 1 : 0}
              slider={threshold.max < WIDE ? [threshold.min, threshold.max] : undefined}
            />
          )
        );
      })}
      {unit.image && !isIdentity(current) && <ProcessedPicture unit={unit} />}
      {current === "inpaint" && (
        <Field label={t("mask.label")} help={t("mask.help")}>
          <PicturePlace
            value={unit.mask ?? null}
            onChange={(mask) => onChange({ ...unit, mask })}
            label={t("mask.place")}
            height={80}
          />
        </Field>
      )}
    </Stack>
  );
}
