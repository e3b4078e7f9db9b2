import { Button, Group, Select, Stack, Text } from "@mantine/core";
import { IconRefresh, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useCancel, useJob, useJobs, useRetry } from "../api/queries";
import type { Job, JobKind } from "../api/types";
import { inWords } from "../api/words";
import { Failure } from "../tabs/Queue/Failure";
import { titleOf } from "./jobTitle";
import { notifyError } from "./notify";
import { JobProgress } from "./Preview";

export interface ChosenJob {
  /** The chosen one, else the newest; as new as it is known. */
  job: Job | undefined;
  jobs: Job[];
  choose: (id: string | null) => void;
}

/** One of the server's jobs of a kind: what was asked for is found again from any browser. */
export function useChosenJob(kind: JobKind, wanted: (job: Job) => boolean = () => true): ChosenJob {
  const [chosen, choose] = useState<string | null>(null);
  const { data } = useJobs({ kind, limit: 50 });
  const jobs = data?.jobs.filter(wanted) ?? [];
  const { data: job } = useJob(chosen ?? jobs[0]?.id);
  return { job, jobs, choose };
}

/** A list to choose from, where there are several. */
export function JobChoice({ label, jobs, job, choose }: ChosenJob & { label: string }) {
  const { t, i18n } = useTranslation();
  if (jobs.length < 2) return null;
  const format = new Intl.DateTimeFormat(i18n.language, { dateStyle: "short", timeStyle: "short" });
  const when = (time: string) => format.format(new Date(time));
  return (
    <Select
      aria-label={label}
      data={jobs.map((one) => ({
        value: one.id,
        label: `${titleOf(one)} · ${when(one.created)} · ${t(`state.${one.state}`)}`,
      }))}
      value={job?.id ?? null}
      onChange={choose}
      allowDeselect={false}
      size="xs"
    />
  );
}

interface StatusProps {
  job: Job;
  stopLabel?: string;
  retryLabel?: string;
}

/** How far a job is, and what stops it; or why it ended without a result, and what begins it again. */
export function JobStatus({ job, stopLabel, retryLabel }: StatusProps) {
  const { t } = useTranslation();
  const cancel = useCancel();
  const retry = useRetry();
  const going = job.state === "queued" || job.state === "held" || job.state === "running";
  return (
    <Stack gap="xs" role="status">
      {going && (
        <Group wrap="nowrap" align="start">
          <JobProgress job={job} />
          <Button
            variant="light"
            color="red"
            size="compact-sm"
            flex="none"
            leftSection={<IconX size={16} aria-hidden />}
            loading={cancel.isPending}
            onClick={() => cancel.mutate({ id: job.id }, { onError: notifyError })}
          >
            {stopLabel ?? t("cancel")}
          </Button>
        </Group>
      )}
      {job.error && <Failure error={job.error} />}
      {(job.state === "failed" || job.state === "cancelled") && (
        <Group gap="sm">
          <Text size="sm" c="dimmed">
            {t(`state.${job.state}`)}
          </Text>
          <Button
            variant="light"
            size="compact-sm"
            leftSection={<IconRefresh size={16} aria-hidden />}
            loading={retry.isPending}
            onClick={() => retry.mutate({ id: job.id }, { onError: notifyError })}
          >
            {retryLabel ?? t("queue:retry")}
          </Button>
        </Group>
      )}
      {job.warnings.map((warning) => (
        <Text key={warning} size="xs" c="dimmed">
          {inWords(warning)}
        </Text>
      ))}
    </Stack>
  );
}
