import { Select, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { TrainingField } from "../../api/types";
import { Field } from "../../components/Field";
import { NumberField } from "../../components/NumberField";
import { setField, useTrain } from "./form";
import { linesOf, objectOf, plain } from "./lines";

/** One field of a recipe, by its type; empty is its default. */
export function RecipeField({ field }: { field: TrainingField }) {
  const { t } = useTranslation("train");
  const value = useTrain(({ form }) => form.fields[field.name]);
  const label = t(`field.${field.name}`, { defaultValue: field.name });
  const help = t(`help.${field.name}`, { defaultValue: field.description });
  const usual = field.default === null ? t("automatic") : String(field.default);
  switch (field.type) {
    case "boolean": {
      const on = typeof value === "boolean" ? value : field.default === true;
      const change = (next: boolean) => setField(field.name, next === (field.default === true) ? null : next);
      return (
        <Field label={label} help={help}>
          <Switch checked={on} onChange={(event) => change(event.currentTarget.checked)} />
        </Field>
      );
    }
    case "integer":
    case "number":
      return (
        <NumberField
          label={label}
          help={help}
          value={typeof value === "number" ? value : null}
          onChange={(next) => setField(field.name, next)}
          placeholder={typeof field.default === "number" ? decimal(field.default) : usual}
          decimals={field.type === "integer" ? 0 : 10}
          step={field.type === "integer" ? 1 : stepOf(field.default)}
        />
      );
    case "choice":
      return (
        <Field label={label} help={help}>
          <Select
            data={field.choices?.map(String) ?? []}
            value={typeof value === "string" ? value : null}
            onChange={(next) => setField(field.name, next)}
            placeholder={usual}
            clearable
          />
        </Field>
      );
    case "list":
      return <ListField field={field} label={label} help={help} />;
    case "object":
      return <LinesField field={field} label={label} help={help} />;
    default:
      return (
        <Field label={label} help={help}>
          <TextInput
            value={typeof value === "string" ? value : ""}
            onChange={(event) => setField(field.name, event.currentTarget.value || null)}
            placeholder={field.default ? usual : undefined}
          />
        </Field>
      );
  }
}

interface TextFieldProps {
  field: TrainingField;
  label: string;
  help: string;
}

function ListField({ field, label, help }: TextFieldProps) {
  const { t } = useTranslation("train");
  const value = useTrain(({ form }) => form.fields[field.name]);
  const parts = Array.isArray(value) ? value.map(String) : [];
  const usual = Array.isArray(field.default) ? field.default.join(", ") : t("automatic");
  return (
    <Field label={label} help={help}>
      <TagsInput
        value={parts}
        onChange={(next) => setField(field.name, next.length ? next.map((text) => plain(text.trim())) : null)}
        data={field.choices?.map(String)}
        placeholder={parts.length ? undefined : usual}
        // A text may hold a comma, which a number does not.
        splitChars={field.name === "caption_replacements" ? [] : [","]}
        allowDuplicates
      />
    </Field>
  );
}

function LinesField({ field, label, help }: TextFieldProps) {
  const value = useTrain(({ form }) => form.fields[field.name]);
  const [text, setText] = useState(() => linesOf(value));
  return (
    <Field label={label} help={help}>
      <Textarea
        autosize
        minRows={2}
        value={text}
        placeholder={field.name === "initial_words" ? "mycat = cat" : field.name === "trigger_words" ? "mycat = 4" : "IN04 = 8"}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setField(field.name, objectOf(event.currentTarget.value));
        }}
      />
    </Field>
  );
}

/** 0.00001 rather than 1e-5, which a number's field cannot take. */
const decimal = (value: number) => value.toFixed(10).replace(/\.?0+$/, "");

const stepOf = (usual: unknown) => (typeof usual === "number" && usual > 0 && usual < 0.1 ? 10 ** Math.floor(Math.log10(usual)) : 0.05);
