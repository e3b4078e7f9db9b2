import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconBrush } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Job } from "../../api/types";
import { JobChoice, JobStatus, type ChosenJob } from "../../components/JobChoice";
import { useDraft } from "../../state/draft";
import { useNavigation } from "../../state/navigation";
import type { Difference } from "./blocks";
import { Differences } from "./Differences";

/** A merge or a comparison, while it runs and afterwards. */
export function Result({ chosen }: { chosen: ChosenJob }) {
  const { t } = useTranslation("merger");
  const { job } = chosen;
  if (!job)
    return (
      <Text size="sm" c="dimmed">
        {t("nothing")}
      </Text>
    );
  const rows = differencesOf(job);
  const models = job.spec.kind === "merge" ? job.spec.models : [];
  return (
    <Stack gap="sm">
      <JobChoice label={t("earlier")} {...chosen} />
      <JobStatus job={job} />
      {rows && <Differences rows={rows} models={models} />}
      {Array.isArray(job.result?.files) && <Made model={String(job.result.files[0])} />}
    </Stack>
  );
}

function Made({ model }: { model: string }) {
  const { t } = useTranslation("merger");
  const { go } = useNavigation();
  const use = () => {
    useDraft.getState().set({ model });
    go("paint");
  };
  return (
    <Alert color="green" title={t("made", { model })}>
      <Group gap="sm">
        <Text size="sm">{t("madeAbout")}</Text>
        <Button size="compact-sm" leftSection={<IconBrush size={16} aria-hidden />} onClick={use}>
          {t("use")}
        </Button>
      </Group>
    </Alert>
  );
}

/** What a comparison has found. */
function differencesOf(job: Job): Difference[] | null {
  return Array.isArray(job.result?.blocks) ? (job.result.blocks as Difference[]) : null;
}
