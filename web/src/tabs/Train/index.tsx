import { Alert, Tabs } from "@mantine/core";
import { IconChartLine, IconPhoto, IconSettings } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useSubmit, useSystem } from "../../api/queries";
import type { TrainSpec } from "../../api/types";
import { useChosenJob } from "../../components/JobChoice";
import { notifyError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Datasets } from "./Datasets";
import { useTrain, type View } from "./form";
import { Runs } from "./Runs";
import { Settings } from "./Settings";

/** Teach a model: the pictures, how, and how it goes. */
export default function Train() {
  const { t } = useTranslation("train");
  const { form, set } = useTrain();
  const { data: system } = useSystem();
  const chosen = useChosenJob("train");
  const submit = useSubmit();
  const start = (spec: TrainSpec) =>
    submit.mutate(
      { spec },
      { onSuccess: (job) => (chosen.choose(job.id), set({ view: "runs" })), onError: notifyError },
    );
  return (
    <Page title={t("title")} about={t("about.title")}>
      {system?.models_dir === null && (
        <Alert color="yellow" mb="md">
          {t("noModels")}
        </Alert>
      )}
      <Tabs value={form.view} onChange={(view) => view && set({ view: view as View })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="data" leftSection={<IconPhoto size={16} aria-hidden />}>
            {t("view.data")}
          </Tabs.Tab>
          <Tabs.Tab value="settings" leftSection={<IconSettings size={16} aria-hidden />}>
            {t("view.settings")}
          </Tabs.Tab>
          <Tabs.Tab value="runs" leftSection={<IconChartLine size={16} aria-hidden />}>
            {t("view.runs")}
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="data">
          <Datasets />
        </Tabs.Panel>
        <Tabs.Panel value="settings">
          <Settings onStart={start} starting={submit.isPending} />
        </Tabs.Panel>
        <Tabs.Panel value="runs">
          <Runs chosen={chosen} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
