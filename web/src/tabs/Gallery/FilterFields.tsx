import { Button, Group, Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useChoices, useModels } from "../../api/queries";
import { ALL, countOf, type Filters } from "./filters";

interface FilterFieldsProps {
  filters: Filters;
  onChange: (filters: Partial<Filters>) => void;
}

const KINDS = ["generate", "upscale", "plot", "train"];

export function FilterFields({ filters, onChange }: FilterFieldsProps) {
  const { t } = useTranslation("gallery");
  const { data: models = [] } = useModels("checkpoints");
  const { data: choices } = useChoices();
  const pick = (name: "model" | "sampler" | "kind") => ({
    label: t(name),
    value: filters[name] || null,
    placeholder: t("any"),
    clearable: true,
    flex: "1 1 10rem",
    onChange: (value: string | null) => onChange({ [name]: value ?? "" }),
  });
  const day = (name: "from" | "to") => ({
    label: t(name),
    type: "date",
    value: filters[name],
    flex: "1 1 9rem",
    onChange: (event: { currentTarget: HTMLInputElement }) => onChange({ [name]: event.currentTarget.value }),
  });
  return (
    <Group gap="sm" mb="md" align="flex-end">
      <Select {...pick("model")} searchable data={withChosen(models.map(({ name }) => name), filters.model)} />
      <Select
        {...pick("sampler")}
        searchable
        data={withChosen(choices?.samplers.map(({ name }) => name) ?? [], filters.sampler)}
      />
      <Select {...pick("kind")} data={KINDS.map((kind) => ({ value: kind, label: t(`kinds.${kind}`) }))} />
      <TextInput {...day("from")} max={filters.to || undefined} />
      <TextInput {...day("to")} min={filters.from || undefined} />
      <Button
        variant="subtle"
        disabled={countOf(filters) === 0}
        onClick={() => onChange({ ...ALL, q: filters.q, favourite: filters.favourite, order: filters.order })}
      >
        {t("clear")}
      </Button>
    </Group>
  );
}

/** The names, with one that pictures have but the library has no longer. */
function withChosen(names: string[], chosen: string): string[] {
  return [...new Set(chosen ? [...names, chosen] : names)];
}
