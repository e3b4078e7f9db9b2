import { Alert, Button, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconSchool } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useChoices } from "../../api/queries";
import type { TrainingField, TrainSpec } from "../../api/types";
import { Field } from "../../components/Field";
import { ModelPicker } from "../../components/ModelPicker";
import { Group } from "../../components/parameters/Group";
import { useDataset, useDatasets } from "./datasets";
import { KINDS, mainOf, namingOf, rounds, specOf, useTrain } from "./form";
import { NamingInput } from "./NamingFields";
import { RecipeField } from "./RecipeField";
import { Samples } from "./Samples";
import classes from "./Train.module.css";

interface Props {
  onStart: (spec: TrainSpec) => void;
  starting: boolean;
}

/** What is taught, on what, and how. */
export function Settings({ onStart, starting }: Props) {
  const { t } = useTranslation("train");
  const { form, set } = useTrain();
  const { data: choices } = useChoices();
  const { data: names = [] } = useDatasets();
  const fields = choices?.trainings[form.training] ?? [];
  const main = mainOf(form.training);
  const chosen = names.includes(form.dataset ?? "") ? form.dataset : null;
  const spec = specOf({ ...form, dataset: chosen }, fields);
  const sections = [...new Set(fields.map(({ section }) => section))];
  return (
    <Stack gap="md" maw="56rem">
      <Field label={t("kindLabel")}>
        <Select
          data={KINDS.map((kind) => ({ value: kind, label: t(`kind.${kind}`) }))}
          value={form.training}
          onChange={(name) => set({ training: KINDS.find((kind) => kind === name) ?? "lora" })}
          allowDeselect={false}
        />
      </Field>
      <Text size="sm" c="dimmed">
        {t(`about.${form.training}`)}
      </Text>
      <div className={classes.fields}>
        <Field label={t("name")} help={t("nameHelp")}>
          <TextInput value={form.name} onChange={(event) => set({ name: event.currentTarget.value })} maxLength={100} />
        </Field>
        <Field label={t("data.set")}>
          <Select
            data={names}
            value={chosen}
            onChange={(dataset) => set({ dataset })}
            placeholder={t("data.choose")}
            allowDeselect={false}
          />
        </Field>
        <ModelPicker label={t("model")} help={t("modelHelp")} value={form.model} onChange={(model) => set({ model })} />
      </div>
      <div className={classes.fields}>
        {main
          .flatMap((name) => fields.find((field) => field.name === name) ?? [])
          .map((field) => (
            <RecipeField key={`${form.training}.${field.name}`} field={field} />
          ))}
        {namingOf(form.training).map((name) => (
          <NamingInput key={name} name={name} />
        ))}
      </div>
      <div>
        <Group name="train.samples" label={t("samples")} active={form.fields.sample_prompts !== undefined}>
          <Samples />
        </Group>
        {sections.map((section) => (
          <Section
            key={section}
            section={section}
            fields={fields.filter((field) => field.section === section && !main.includes(field.name))}
          />
        ))}
      </div>
      <Estimate dataset={chosen} />
      {!spec && <Alert color="gray">{t(form.name.trim() ? "lackingData" : "lackingName")}</Alert>}
      <Button
        size="md"
        leftSection={<IconSchool size={18} aria-hidden />}
        disabled={!spec}
        loading={starting}
        onClick={() => spec && onStart(spec)}
      >
        {t("start")}
      </Button>
    </Stack>
  );
}

function Section({ section, fields }: { section: string; fields: TrainingField[] }) {
  const { t } = useTranslation("train");
  const { form } = useTrain();
  if (fields.length === 0) return null;
  const changed = fields.some(({ name }) => form.fields[name] !== undefined);
  return (
    <Group name={`train.${section}`} label={t(`section.${section}`, { defaultValue: section })} active={changed}>
      <div className={classes.fields}>
        {fields.map((field) => (
          <RecipeField key={`${form.training}.${field.name}`} field={field} />
        ))}
      </div>
    </Group>
  );
}

/** How often each picture is seen, and how much is kept. */
function Estimate({ dataset }: { dataset: string | null }) {
  const { t } = useTranslation("train");
  const { form } = useTrain();
  const { data } = useDataset(dataset);
  const pictures = data?.pictures.length ?? 0;
  const count = rounds(form.fields, pictures);
  if (count === null) return null;
  return (
    <Text size="sm" c="dimmed" role="status">
      {t("estimate", {
        count: pictures,
        steps: form.fields.steps,
        rounds: count < 10 ? count.toFixed(1) : Math.round(count),
      })}
    </Text>
  );
}
