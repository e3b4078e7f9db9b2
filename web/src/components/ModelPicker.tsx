import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useModels } from "../api/queries";
import type { ModelKind } from "../api/types";
import { withChosen } from "./choices";
import { Field } from "./Field";

interface Props {
  label: string;
  help?: string;
  kind?: ModelKind;
  value: string | null;
  onChange: (value: string | null) => void;
  /** What null means; without it, for checkpoints the name of the default one. */
  placeholder?: string;
}

/** A model of the library by its name. */
export function ModelPicker({ label, help, kind = "checkpoints", value, onChange, placeholder }: Props) {
  const { t } = useTranslation();
  const { data: models = [] } = useModels(kind);
  const known = models.map((model) => ({
    value: model.name,
    label: model.loaded ? `${model.name} · ${t("loaded")}` : model.name,
  }));
  const options = withChosen(known, value);
  return (
    <Field label={label} help={help}>
      <Select
        data={options}
        value={value}
        onChange={onChange}
        placeholder={placeholder ?? models.find((model) => model.default)?.name ?? t("none")}
        searchable={options.length > 8}
        clearable
        nothingFoundMessage={t("nothingFound")}
        size="sm"
      />
    </Field>
  );
}
