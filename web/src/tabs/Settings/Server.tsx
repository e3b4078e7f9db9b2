import { Button, Group, Loader, NumberInput, Select, Switch, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useChoices, useModels, useSaveSettings, useSettings } from "../../api/queries";
import type { Settings } from "../../api/types";
import { notify, notifyError } from "../../components/notify";
import { Setting } from "./Setting";
import classes from "./Settings.module.css";

/** What holds for all who use this server; nothing changes before it is saved. */
export function Server() {
  const { t } = useTranslation("settings");
  const { data: settings } = useSettings();
  return (
    <section className={classes.section} aria-labelledby="server">
      <h2 className={classes.heading} id="server">
        {t("server")}
      </h2>
      <Text size="sm" c="dimmed" mb="xs">
        {t("serverAbout")}
      </Text>
      {settings ? <Fields settings={settings} /> : <Loader size="sm" aria-label={t("reading")} />}
    </section>
  );
}

function Fields({ settings }: { settings: Settings }) {
  const { t } = useTranslation("settings");
  const { data: choices } = useChoices();
  const { data: models = [] } = useModels("checkpoints");
  const save = useSaveSettings();
  const [changed, setChanged] = useState<Partial<Settings>>({});
  const now = { ...settings, ...changed };
  const set = (fields: Partial<Settings>) => setChanged({ ...changed, ...fields });
  const dirty = (Object.keys(changed) as (keyof Settings)[]).some((name) => changed[name] !== settings[name]);
  const words = (group: string, names: readonly string[] = []) => names.map((value) => ({ value, label: t(`${group}.${value}`, { defaultValue: value }) }));
  const setting = (name: string) => ({ label: t(`field.${name}`), help: t(`help.${name}`) });
  const number = (value: string | number) => (typeof value === "number" ? value : null);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(changed, { onSuccess: () => (setChanged({}), notify(t("saved"))), onError: notifyError });
      }}
    >
      <Setting {...setting("default_model")}>
        <Select
          data={models.map(({ name }) => name)}
          value={now.default_model}
          onChange={(default_model) => set({ default_model })}
          placeholder={t("asStarted")}
          clearable
        />
      </Setting>
      <Setting {...setting("format")}>
        <Select
          data={choices?.formats ?? []}
          value={now.format}
          onChange={(name) => set({ format: choices?.formats.find((format) => format === name) ?? now.format })}
          allowDeselect={false}
        />
      </Setting>
      <Setting {...setting("privacy")}>
        <Select
          data={words("privacies", choices?.privacies)}
          value={now.privacy}
          onChange={(privacy) => privacy && set({ privacy })}
          allowDeselect={false}
        />
      </Setting>
      <Setting {...setting("preview_method")}>
        <Select
          data={words("previews", choices?.previews)}
          value={now.preview_method}
          onChange={(preview_method) => preview_method && set({ preview_method })}
          allowDeselect={false}
        />
      </Setting>
      <Setting {...setting("preview_every")}>
        <NumberInput
          value={now.preview_every}
          onChange={(value) => set({ preview_every: number(value) ?? 1 })}
          min={1}
          max={1000}
          allowDecimal={false}
        />
      </Setting>
      <Setting {...setting("keep_steps")}>
        <Switch checked={now.keep_steps} onChange={(event) => set({ keep_steps: event.currentTarget.checked })} />
      </Setting>
      <Setting {...setting("memory_budget_gb")}>
        <NumberInput
          value={now.memory_budget_gb ?? ""}
          onChange={(value) => set({ memory_budget_gb: number(value) })}
          placeholder={t("half")}
          suffix=" GiB"
          min={0.1}
          step={1}
        />
      </Setting>
      <Setting {...setting("most_queued")}>
        <NumberInput
          value={now.most_queued}
          onChange={(value) => set({ most_queued: number(value) ?? settings.most_queued })}
          min={1}
          max={1000000}
          step={100}
          allowDecimal={false}
        />
      </Setting>
      <Setting {...setting("lenient")}>
        <Switch checked={now.lenient} onChange={(event) => set({ lenient: event.currentTarget.checked })} />
      </Setting>
      <Group mt="md" gap="xs">
        <Button type="submit" disabled={!dirty} loading={save.isPending}>
          {t("common:save")}
        </Button>
        <Button variant="default" disabled={!dirty} onClick={() => setChanged({})}>
          {t("discard")}
        </Button>
      </Group>
    </form>
  );
}
