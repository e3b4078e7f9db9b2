import { MultiSelect, Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Field } from "../../components/Field";
import { ModelPicker } from "../../components/ModelPicker";
import { useDatasets } from "./datasets";
import { NAMING, type NamingField, setField, useTrain } from "./form";

/** A field that names other data sets, or a model to begin with. */
export function NamingInput({ name }: { name: NamingField }) {
  const { t } = useTranslation("train");
  const { form } = useTrain();
  const { data: names = [] } = useDatasets();
  const value = form.fields[name];
  const label = t(`field.${name}`);
  const help = t(`help.${name}`);
  const kind = NAMING[name];
  const others = names.filter((one) => one !== form.dataset);
  if (kind === "datasets")
    return (
      <Field label={label} help={help}>
        <MultiSelect
          data={others}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={(next) => setField(name, next.length ? next : null)}
          placeholder={Array.isArray(value) ? undefined : t("common:none")}
        />
      </Field>
    );
  const chosen = typeof value === "string" ? value : null;
  if (kind === "dataset")
    return (
      <Field label={label} help={help}>
        <Select
          data={others}
          value={chosen}
          onChange={(next) => setField(name, next)}
          placeholder={t("common:none")}
          clearable
        />
      </Field>
    );
  return (
    <ModelPicker
      kind={kind}
      label={label}
      help={help}
      value={chosen}
      onChange={(next) => setField(name, next)}
      placeholder={t("fromNew")}
    />
  );
}
