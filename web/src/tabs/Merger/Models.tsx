import { Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { ModelPicker } from "../../components/ModelPicker";
import { useMerge } from "./form";

const ROLES = ["a", "b", "c"] as const;

/** The models that the method takes. */
export function Models({ count }: { count: number }) {
  const { t } = useTranslation("merger");
  const { form, set } = useMerge();
  const change = (place: number, name: string | null) =>
    set({ models: form.models.map((old, i) => (i === place ? name : old)) as typeof form.models });
  return (
    <Stack gap="sm">
      {ROLES.slice(0, count).map((role, place) => (
        <ModelPicker
          key={role}
          label={t(`model.${role}`)}
          help={t(`model.${role}Help`)}
          value={form.models[place] ?? null}
          onChange={(name) => change(place, name)}
          placeholder={t("model.choose")}
        />
      ))}
    </Stack>
  );
}
