import { Code, Select, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices } from "../../api/queries";
import type { MergeMethod } from "../../api/types";
import { Field } from "../../components/Field";
import { NumberField } from "../../components/NumberField";
import { useMerge } from "./form";

/** How the models become one: in words, as a formula, and by how much. */
export function Method({ method }: { method: MergeMethod }) {
  const { t } = useTranslation("merger");
  const { form, set } = useMerge();
  const { data: choices } = useChoices();
  const mixes = !["add-difference", "ties", "dare"].includes(method.name);
  return (
    <Stack gap="sm">
      <Field label={t("method")}>
        <Select
          data={choices?.merge_methods.map(({ name, label }) => ({ value: name, label: t(`methods.${name}`, { defaultValue: label }) })) ?? []}
          value={form.method}
          onChange={(name) => name && set({ method: name, multiplier: null })}
          allowDeselect={false}
        />
      </Field>
      <Text size="sm" c="dimmed">
        {t(`about.${method.name}`, { defaultValue: method.about })}
      </Text>
      {FORMULAS[method.name] && <Code block>{FORMULAS[method.name]}</Code>}
      {method.models > 1 && (
        <NumberField
          label={t("multiplier")}
          help={t(mixes ? "multiplierMixes" : "multiplierAdds")}
          value={form.multiplier}
          onChange={(multiplier) => set({ multiplier })}
          placeholder={method.multiplier}
          slider={[0, mixes ? 1 : 2]}
          min={mixes ? 0 : undefined}
          max={mixes ? 1 : undefined}
          step={0.05}
          decimals={3}
        />
      )}
      {method.name === "ties" && (
        <NumberField
          label={t("density")}
          help={t("densityHelp")}
          value={form.density}
          onChange={(density) => set({ density: density ?? 0.2 })}
          slider={[0.01, 1]}
          min={0.01}
          max={1}
          step={0.01}
          decimals={2}
        />
      )}
      {method.name === "dare" && (
        <>
          <NumberField
            label={t("drop")}
            help={t("dropHelp")}
            value={form.drop}
            onChange={(drop) => set({ drop: drop ?? 0.9 })}
            slider={[0, 0.99]}
            min={0}
            max={0.99}
            step={0.01}
            decimals={2}
          />
          <NumberField label={t("seed")} help={t("seedHelp")} value={form.seed} onChange={(seed) => set({ seed: seed ?? 0 })} min={0} />
        </>
      )}
    </Stack>
  );
}

const FORMULAS: Record<string, string> = {
  "weighted-sum": "A · (1 − M) + B · M",
  "add-difference": "A + (B − C) · M",
  "no-interpolation": "A",
  slerp: "(A · sin((1 − M)Ω) + B · sin(MΩ)) / sin Ω",
  "cosine-a": "A + (B − A) · (1 − clamp(cos(A, B) − M, 0, 1))",
  "cosine-b": "A + (B − A) · (1 − clamp(cos(A, B) − M, 0, 1))",
  ties: "C + M · elect(trim(A − C), trim(B − C))",
  dare: "C + M · (drop(A − C) + drop(B − C))",
};
