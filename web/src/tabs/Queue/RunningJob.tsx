import { Button, Card, Group, Text } from "@mantine/core";
import { IconCode, IconPlayerSkipForward, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { previewUrl } from "../../api/client";
import { usePreview, useProgress } from "../../api/events";
import { useCancel } from "../../api/queries";
import type { Job } from "../../api/types";
import { notifyError } from "../../components/notify";
import { JobProgress } from "../../components/Preview";
import { JobPictures } from "./JobPictures";
import { JobTitle } from "./JobTitle";
import classes from "./Queue.module.css";

export function RunningJob({ job, onDetails }: { job: Job; onDetails: () => void }) {
  const { t } = useTranslation("queue");
  const progress = useProgress(job.id) ?? job.progress;
  const cancel = useCancel();
  const metrics = Object.entries(progress.metrics ?? {});
  return (
    <Card withBorder padding="sm" className={classes.running}>
      <JobPreview job={job} />
      <div className={classes.body}>
        <JobTitle job={job} />
        <JobProgress job={job} />
        {metrics.length > 0 && (
          <Text size="xs" c="dimmed">
            {metrics.map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`).join(" · ")}
          </Text>
        )}
        <JobPictures pictures={job.pictures} />
        <Group gap="xs" mt="xs">
          <Button
            size="compact-sm"
            variant="light"
            color="red"
            leftSection={<IconX size={16} aria-hidden />}
            loading={cancel.isPending}
            onClick={() => cancel.mutate({ id: job.id }, { onError: notifyError })}
          >
            {t("common:cancel")}
          </Button>
          {progress.pictures > 1 && (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconPlayerSkipForward size={16} aria-hidden />}
              onClick={() => cancel.mutate({ id: job.id, picture: progress.picture }, { onError: notifyError })}
            >
              {t("skip")}
            </Button>
          )}
          <Button
            size="compact-sm"
            variant="subtle"
            color="gray"
            leftSection={<IconCode size={16} aria-hidden />}
            onClick={onDetails}
          >
            {t("details")}
          </Button>
        </Group>
      </div>
    </Card>
  );
}

function JobPreview({ job }: { job: Job }) {
  const { t } = useTranslation();
  const news = usePreview(job.id);
  const step = news?.step ?? job.preview_step;
  if (step === null) return null;
  // The picture's number is in the address: steps of the next picture have the same numbers.
  const src = `${previewUrl(job.id, step)}&of=${news?.picture ?? job.progress.picture}`;
  return <img className={classes.preview} src={src} alt={t("previewOfStep", { step })} />;
}
