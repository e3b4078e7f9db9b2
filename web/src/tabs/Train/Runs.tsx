import { Alert, Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconBrush } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { useProgress } from "../../api/events";
import type { Job, TrainSpec } from "../../api/types";
import { JobChoice, JobStatus, type ChosenJob } from "../../components/JobChoice";
import { useDraft } from "../../state/draft";
import { useNavigation } from "../../state/navigation";
import { Chart } from "./Chart";
import { course, type CurveRow } from "./curve";
import { CurveTable } from "./CurveTable";
import { SampleGrid } from "./SampleGrid";
import { used } from "./use";

const WATCHED = 3000; // ms from one look at the log to the next, while it grows

/** Trainings, the newest first: how they go, and what came of them. */
export function Runs({ chosen }: { chosen: ChosenJob }) {
  const { t } = useTranslation("train");
  const { job } = chosen;
  if (!job || job.spec.kind !== "train")
    return (
      <Text size="sm" c="dimmed">
        {t("run.none")}
      </Text>
    );
  return (
    <Stack gap="md">
      <JobChoice label={t("run.choose")} {...chosen} />
      <Head spec={job.spec} />
      <JobStatus job={job} stopLabel={t("run.stop")} retryLabel={t("run.resume")} />
      <Speed job={job} />
      {job.state === "done" && <Made spec={job.spec} files={filesOf(job)} />}
      <Curve job={job} />
      <SampleGrid job={job} />
    </Stack>
  );
}

function Head({ spec }: { spec: TrainSpec }) {
  const { t } = useTranslation("train");
  return (
    <Group gap="xs">
      <Text fw={600}>{spec.name}</Text>
      <Badge variant="light" tt="none">
        {t(`kind.${spec.training}`)}
      </Badge>
      <Text size="sm" c="dimmed">
        {t("run.on", { dataset: spec.dataset })}
      </Text>
    </Group>
  );
}

function Speed({ job }: { job: Job }) {
  const { t } = useTranslation("train");
  const metrics = (useProgress(job.id) ?? job.progress).metrics;
  const rate = metrics["steps_per_second"];
  const learning = metrics["learning_rate"];
  if (job.state !== "running" || !rate) return null;
  return (
    <Text size="xs" c="dimmed">
      {t("run.speed", { rate: rate.toPrecision(3), learning: (learning ?? 0).toPrecision(3) })}
    </Text>
  );
}

function Curve({ job }: { job: Job }) {
  const { data } = useQuery({
    queryKey: ["curve", job.id, job.state],
    queryFn: ({ signal }) => api.get<{ rows: CurveRow[] }>(`/jobs/${job.id}/curve`, undefined, signal),
    refetchInterval: job.state === "running" ? WATCHED : false,
    placeholderData: (before) => before,
  });
  if (!data) return null;
  const rows = course(data.rows);
  return (
    <>
      <Chart rows={rows} />
      <CurveTable rows={rows} />
    </>
  );
}

function Made({ spec, files }: { spec: TrainSpec; files: string[] }) {
  const { t } = useTranslation("train");
  const { go } = useNavigation();
  const use = () => {
    const draft = useDraft.getState();
    draft.set(used(spec, files, draft.request));
    go("paint");
  };
  return (
    <Alert color="green" title={t("run.made", { names: files.join(", ") })}>
      <Group gap="sm">
        <Text size="sm">{t("run.madeAbout")}</Text>
        {spec.training !== "controlnet" && (
          <Button size="compact-sm" leftSection={<IconBrush size={16} aria-hidden />} onClick={use}>
            {t("run.use")}
          </Button>
        )}
      </Group>
    </Alert>
  );
}

const filesOf = (job: Job): string[] => (Array.isArray(job.result?.files) ? job.result.files.map(String) : []);
