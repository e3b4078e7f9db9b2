import { ActionIcon, Badge, Button, Group, Text, Tooltip } from "@mantine/core";
import { IconCode, IconRefresh, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useForget, useRetry } from "../../api/queries";
import type { Job } from "../../api/types";
import { inWords } from "../../api/words";
import { seconds } from "../../components/format";
import { titleOf } from "../../components/jobTitle";
import { notifyError } from "../../components/notify";
import { Failure } from "./Failure";
import { JobPictures } from "./JobPictures";
import { JobTitle } from "./JobTitle";
import classes from "./Queue.module.css";

const COLORS: Record<string, string> = { done: "green", failed: "red", cancelled: "gray" };

export function EndedJob({ job, onDetails }: { job: Job; onDetails: () => void }) {
  const { t, i18n } = useTranslation("queue");
  const retry = useRetry();
  const forget = useForget();
  const failing = { onError: notifyError };
  const title = titleOf(job);
  const when = job.finished && new Date(job.finished).toLocaleString(i18n.language);
  const took = job.started && job.finished && Math.max(0, Date.parse(job.finished) - Date.parse(job.started)) / 1000;
  return (
    <li className={classes.ended}>
      <div className={classes.body}>
        <JobTitle job={job} />
        <Group gap="xs">
          <Badge size="sm" variant="light" color={COLORS[job.state]} tt="none">
            {t(`common:state.${job.state}`)}
          </Badge>
          <Text size="xs" c="dimmed">
            {[when, typeof took === "number" && t("took", { time: seconds(took) })].filter(Boolean).join(" · ")}
          </Text>
        </Group>
        {job.error && <Failure error={job.error} />}
        {job.kind === "verify" && typeof job.result?.["explanation"] === "string" && (
          <Text size="sm">{inWords(job.result["explanation"])}</Text>
        )}
        {job.warnings.map((warning) => (
          <Text key={warning} size="xs" c="dimmed">
            {inWords(warning)}
          </Text>
        ))}
        <JobPictures pictures={job.pictures} />
      </div>
      <Group gap={2} wrap="nowrap">
        {job.state !== "done" && (
          <Button
            size="compact-sm"
            variant="light"
            leftSection={<IconRefresh size={16} aria-hidden />}
            aria-label={t("retryJob", { title })}
            loading={retry.isPending}
            onClick={() => retry.mutate({ id: job.id }, failing)}
          >
            {t("retry")}
          </Button>
        )}
        <Tooltip label={t("details")}>
          <ActionIcon variant="subtle" color="gray" aria-label={t("detailsOf", { title })} onClick={onDetails}>
            <IconCode size={18} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={t("forgetTip")}>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t("forget", { title })}
            onClick={() => forget.mutate({ id: job.id }, failing)}
          >
            <IconTrash size={18} />
          </ActionIcon>
        </Tooltip>
      </Group>
    </li>
  );
}
