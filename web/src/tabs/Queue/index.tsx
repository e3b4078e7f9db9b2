import { Alert, Button, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useQueue, useQueueAction } from "../../api/queries";
import type { Job } from "../../api/types";
import { explain, notifyError } from "../../components/notify";
import { CancelAll } from "./CancelAll";
import { History } from "./History";
import { JobDetails } from "./JobDetails";
import classes from "./Queue.module.css";
import { RunningJob } from "./RunningJob";
import { WaitingList } from "./WaitingList";

/** What runs, what waits and in which order, and what has been. */
export default function Queue() {
  const { t } = useTranslation("queue");
  const { data: queue, error } = useQueue();
  const act = useQueueAction();
  const [detailed, setDetailed] = useState<Job | null>(null);
  const waiting = queue?.waiting.filter((job) => job.state !== "held") ?? [];
  const held = queue?.waiting.filter((job) => job.state === "held") ?? [];

  return (
    <div className={classes.page}>
      <Group justify="space-between" mb="md">
        <Title order={1} className={classes.title}>
          {t("title")}
        </Title>
        {queue && (
          <Group gap="xs">
            <Button
              variant={queue.paused ? "filled" : "default"}
              leftSection={queue.paused ? <IconPlayerPlay size={18} /> : <IconPlayerPause size={18} />}
              loading={act.isPending}
              onClick={() => act.mutate(queue.paused ? "resume" : "pause", { onError: notifyError })}
            >
              {t(queue.paused ? "resume" : "pause")}
            </Button>
            <CancelAll queue={queue} />
          </Group>
        )}
      </Group>
      {error && <Alert color="red">{explain(error)}</Alert>}
      {!queue && !error && <Loader aria-label={t("loading")} />}
      {queue?.paused && (
        <Alert color="yellow" mb="md">
          {t("paused")}
        </Alert>
      )}
      {queue && (
        <Stack gap="xl">
          <section aria-label={t("running")}>
            <h2 className={classes.heading}>{t("running")}</h2>
            {queue.running.length === 0 && (
              <Text size="sm" c="dimmed">
                {t("idle")}
              </Text>
            )}
            <Stack gap="sm">
              {queue.running.map((job) => (
                <RunningJob key={job.id} job={job} onDetails={() => setDetailed(job)} />
              ))}
            </Stack>
          </section>
          <section aria-label={t("waiting")}>
            <h2 className={classes.heading}>
              {t("waiting")}
              {waiting.length > 0 && <span className={classes.count}>{waiting.length}</span>}
            </h2>
            {waiting.length === 0 && (
              <Text size="sm" c="dimmed">
                {t("none")}
              </Text>
            )}
            <WaitingList jobs={waiting} onDetails={setDetailed} />
          </section>
          {held.length > 0 && (
            <section aria-label={t("common:state.held")}>
              <h2 className={classes.heading}>
                {t("common:state.held")}
                <span className={classes.count}>{held.length}</span>
              </h2>
              <WaitingList jobs={held} onDetails={setDetailed} />
            </section>
          )}
          <History onDetails={setDetailed} />
        </Stack>
      )}
      {detailed && <JobDetails job={detailed} onClose={() => setDetailed(null)} />}
    </div>
  );
}
