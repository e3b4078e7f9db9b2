import { Button, Group, Stack, Text } from "@mantine/core";
import { IconGitCompare, IconGitMerge } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useChoices, useSubmit } from "../../api/queries";
import type { Job, MergeSpec } from "../../api/types";
import { useChosenJob } from "../../components/JobChoice";
import { notifyError } from "../../components/notify";
import { Columns, Page } from "../../components/Page";
import { Blocks } from "./Blocks";
import { blocksOf, USUAL } from "./blocks";
import { comparisonOf, missing, specOf, useMerge } from "./form";
import { Method } from "./Method";
import { Models } from "./Models";
import { Output } from "./Output";
import { differencesOf, Result } from "./Result";

/** One checkpoint out of others, and how far these are apart. */
export default function Merger() {
  const { t } = useTranslation("merger");
  const form = useMerge((state) => state.form);
  const { data: choices } = useChoices();
  const chosen = useChosenJob("merge");
  const submit = useSubmit();
  const method = choices?.merge_methods.find(({ name }) => name === form.method);
  const comparison = comparisonOf(form.models);
  const send = (spec: MergeSpec) =>
    submit.mutate({ spec }, { onSuccess: (job) => chosen.choose(job.id), onError: notifyError });
  if (!method) return <Page title={t("title")} about={t("about.title")}>{null}</Page>;
  const lacking = missing(form, method.models);
  const multiplier = form.multiplier ?? method.multiplier;
  return (
    <Page title={t("title")} about={t("about.title")}>
      <Columns>
        <Stack gap="md">
          <Models count={method.models} />
          <Method method={method} />
          {method.models > 1 && (
            <Blocks
              blocks={blocksOf(blockNames(chosen.jobs, form.models[0]))}
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
        <section aria-label={t("result")}>
          <Result chosen={chosen} />
        </section>
      </Columns>
    </Page>
  );
}

/** As a comparison of this model has told them; else those of Stable Diffusion. */
function blockNames(jobs: Job[], model: string | null): string[] {
  const compared = jobs.find(({ spec, result }) => spec.kind === "merge" && spec.models[0] === model && result?.blocks);
  return (compared && differencesOf(compared)?.map(({ block }) => block)) ?? USUAL;
}
