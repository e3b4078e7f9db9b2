import { Box, Progress as Bar, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { previewUrl } from "../api/client";
import { usePreview, useProgress } from "../api/events";
import type { Job } from "../api/types";
import { seconds } from "./format";
import { titleOf } from "./jobTitle";
import classes from "./Preview.module.css";

interface Props {
  job: Job;
  /** A step of the picture at work to look at, rather than the newest. */
  step?: number | null;
  /** What is shown until there is a preview. */
  children?: ReactNode;
}

/** What a running job is painting now, and how far it is. */
export function Preview({ job, step = null, children }: Props) {
  const { t } = useTranslation();
  const news = usePreview(job.id);
  const newest = news?.step ?? job.preview_step;
  const shown = step ?? newest;
  return (
    <Box className={classes.preview}>
      {shown === null || shown === undefined ? (
        children
      ) : (
        // The picture's number is in the address: steps of the next picture have the same numbers.
        <img
          className={classes.picture}
          src={`${previewUrl(job.id, shown)}&of=${news?.picture ?? 0}`}
          alt={t("previewOfStep", { step: shown })}
        />
      )}
      <JobProgress job={job} />
    </Box>
  );
}

/** A bar with words: the stage, picture, step and time left. */
export function JobProgress({ job }: { job: Job }) {
  const { t } = useTranslation();
  const progress = useProgress(job.id) ?? job.progress;
  const waiting = job.state === "queued" || job.state === "held";
  const words = waiting
    ? [job.place ? t("placeInQueue", { count: job.place }) : t(`state.${job.state}`)]
    : [
        t(`stage.${progress.stage}`),
        progress.pictures > 1 && `${t("picture")} ${progress.picture + 1}/${progress.pictures}`,
        progress.stage === "working" && progress.steps && `${t("step")} ${progress.step}/${progress.steps}`,
        progress.seconds_left !== null && t("timeLeft", { time: seconds(progress.seconds_left) }),
      ];
  return (
    <Box w="100%">
      <Bar
        value={100 * progress.done}
        size="sm"
        animated={job.state === "running"}
        aria-label={t("progressOf", { title: titleOf(job) })}
      />
      <Text size="xs" c="dimmed" mt={4}>
        {words.filter(Boolean).join(" · ")}
      </Text>
    </Box>
  );
}
