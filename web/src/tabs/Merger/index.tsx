import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconGitCompare, IconGitMerge } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useChoices, useModels, useSubmit, useSystem } from "../../api/queries";
import type { MergeSpec } from "../../api/types";
import { useChosenJob } from "../../components/JobChoice";
import { notifyError } from "../../components/notify";
import { Columns, Page, showResult } from "../../components/Page";
import { Blocks } from "./Blocks";
import { blocksOf, usual } from "./blocks";
import { comparisonOf, missing, specOf, useMerge } from "./form";
import { Method } from "./Method";
import { Models } from "./Models";
import { Output } from "./Output";
import { Result } from "./Result";

/** One checkpoint out of others, and how far these are apart. */
export default function Merger() {
  const { t } = useTranslation("merger");
  const form = useMerge((state) => state.form);
  const { data: choices } = useChoices();
  const { data: system } = useSystem();
  const { data: models } = useModels("checkpoints");
  const chosen = useChosenJob("merge");
  const submit = useSubmit();
  const method = choices?.merge_methods.find(({ name }) => name === form.method);
  const comparison = comparisonOf(form.models);
  const send = (spec: MergeSpec) =>
    submit.mutate({ spec }, { onSuccess: (job) => (chosen.choose(job.id), showResult()), onError: notifyError });
  if (!method) return <Page title={t("title")} about={t("about.title")}>{null}</Page>;
  const lacking = missing(form, method.models);
  const multiplier = form.multiplier ?? method.multiplier;
  return (
    <Page title={t("title")} about={t("about.title")}>
      {system?.models_dir === null && (
        <Alert color="yellow" mb="md">
          {t("noModels")}
        </Alert>
      )}
      <Columns label={t("result")} result={<Result chosen={chosen} />}>
        <Stack gap="md">
          <Models count={method.models} />
          <Method method={method} />
          {method.models > 1 && (
            <Blocks
              blocks={blocksOf(usual(models?.find(({ name }) => name === form.models[0])?.family ?? null))}
              multiplier={multiplier}
              most={Math.max(1, multiplier)}
            />
          )}
          <Output />
          <Group gap="xs">
            <Button
              flex={1}
              leftSection={<IconGitMerge size={18} aria-hidden />}
              disabled={lacking !== null}
              loading={submit.isPending}
              onClick={() => send(specOf(form, method))}
            >
              {t("merge")}
            </Button>
            <Button
              variant="default"
              leftSection={<IconGitCompare size={18} aria-hidden />}
              disabled={!comparison || submit.isPending}
              onClick={() => comparison && send(comparison)}
            >
              {t("compare")}
            </Button>
          </Group>
          <Text size="xs" c="dimmed">
            {lacking === null ? t("compareHelp") : t("lacking", { model: "ABC"[lacking] })}
          </Text>
        </Stack>
      </Columns>
    </Page>
  );
}
