import { Button, Group, Select, Stack, Text } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import type { Job, JobKind, Jobs, JobState } from "../../api/types";
import { EndedJob } from "./EndedJob";
import classes from "./Queue.module.css";

const PAGE = 20;
const ENDED: JobState[] = ["done", "failed", "cancelled"];
const KINDS: JobKind[] = ["generate", "upscale", "plot", "merge", "train", "verify"];

/** Jobs that have ended, the newest first. */
export function History({ onDetails }: { onDetails: (job: Job) => void }) {
  const { t } = useTranslation("queue");
  const [state, setState] = useState<string | null>(null);
  const [kind, setKind] = useState<string | null>(null);
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["jobs", "history", state, kind],
    queryFn: ({ pageParam, signal }) => {
      // The state is given more than once, which api.get's parameters cannot say.
      const query = new URLSearchParams((state ? [state] : ENDED).map((one) => ["state", one]));
      query.set("limit", String(PAGE));
      if (kind) query.set("kind", kind);
      if (pageParam) query.set("before", pageParam);
      return api.get<Jobs>(`/jobs?${query}`, undefined, signal);
    },
    initialPageParam: null as string | null,
    getNextPageParam: ({ jobs }) => (jobs.length < PAGE ? undefined : jobs.at(-1)?.id),
    placeholderData: keepPreviousData,
  });
  const jobs = data?.pages.flatMap((page) => page.jobs) ?? [];
  const total = data?.pages[0]?.total ?? 0;
  return (
    <section aria-label={t("history")}>
      <Group justify="space-between" align="center" mb="sm">
        <h2 className={classes.heading} style={{ margin: 0 }}>
          {t("history")}
          {total > 0 && <span className={classes.count}>{total}</span>}
        </h2>
        <Group gap="xs">
          <Select
            size="xs"
            w={130}
            clearable
            aria-label={t("stateFilter")}
            placeholder={t("anyState")}
            data={ENDED.map((value) => ({ value, label: t(`common:state.${value}`) }))}
            value={state}
            onChange={setState}
          />
          <Select
            size="xs"
            w={130}
            clearable
            aria-label={t("kindFilter")}
            placeholder={t("anyKind")}
            data={KINDS.map((value) => ({ value, label: t(`kind.${value}`) }))}
            value={kind}
            onChange={setKind}
          />
        </Group>
      </Group>
      {data && jobs.length === 0 && (
        <Text size="sm" c="dimmed">
          {t("noHistory")}
        </Text>
      )}
      <Stack component="ul" gap={0} className={classes.list}>
        {jobs.map((job) => (
          <EndedJob key={job.id} job={job} onDetails={() => onDetails(job)} />
        ))}
      </Stack>
      {hasNextPage && (
        <Button mt="sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {t("loadMore")}
        </Button>
      )}
    </section>
  );
}
