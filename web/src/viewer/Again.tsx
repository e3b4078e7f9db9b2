import { Alert, Button, Group, Loader, Stack, Text, Tooltip } from "@mantine/core";
import { IconCheck, IconExclamationCircle, IconRefresh, IconShieldCheck } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { useJob } from "../api/queries";
import type { Job, Picture } from "../api/types";
import { inWords } from "../api/words";
import { notify, notifyError } from "../components/notify";
import { useViewer } from "./state";

/** Paint a picture again: as a new one, or to see whether it comes out the same. */
export function Again({ picture }: { picture: Picture }) {
  const { t } = useTranslation("viewer");
  const queries = useQueryClient();
  const verification = useViewer((state) => state.verifications[picture.id]);
  const begin = useMutation({
    mutationFn: (action: "reproduce" | "verify") => api.post<Job>(`/pictures/${picture.id}/${action}`),
    onSuccess: (job, action) => {
      queries.setQueryData(["job", job.id], job);
      void queries.invalidateQueries({ queryKey: ["queue"] });
      if (action === "verify") useViewer.getState().verify(picture.id, job.id);
      else notify(t("again.queued"));
    },
    onError: notifyError,
  });
  return (
    <section>
      <Text component="h3" size="sm" fw={600} mb="xs">
        {t("again.title")}
      </Text>
      <Group gap="xs">
        <Tooltip label={t("again.reproduceHelp")}>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={16} aria-hidden />}
            disabled={begin.isPending}
            onClick={() => begin.mutate("reproduce")}
          >
            {t("again.reproduce")}
          </Button>
        </Tooltip>
        <Tooltip label={t("again.verifyHelp")}>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconShieldCheck size={16} aria-hidden />}
            disabled={begin.isPending}
            onClick={() => begin.mutate("verify")}
          >
            {t("again.verify")}
          </Button>
        </Tooltip>
      </Group>
      <div aria-live="polite">{verification && <Verdict jobId={verification} />}</div>
    </section>
  );
}

/** The panel is often longer than the window, and the answer comes at its end. */
const intoView = (element: HTMLElement | null) => element?.scrollIntoView({ block: "nearest" });

/** What a verification found, or how far it is. */
function Verdict({ jobId }: { jobId: string }) {
  const { t } = useTranslation("viewer");
  const { data: job } = useJob(jobId);
  if (!job || ["queued", "held", "running"].includes(job.state)) {
    return (
      <Group gap="xs" mt="sm" ref={intoView}>
        <Loader size="xs" />
        <Text size="sm">{t(job?.state === "running" ? "again.running" : "again.waiting")}</Text>
      </Group>
    );
  }
  if (job.state !== "done" || !job.result) {
    return (
      <Alert ref={intoView} mt="sm" color="gray" title={t("again.failed")}>
        {job.error && inWords(job.error.message)}
      </Alert>
    );
  }
  const { same, explanation, notes } = job.result as { same: boolean; explanation: string; notes?: string[] };
  return (
    <Alert
      ref={intoView}
      mt="sm"
      color={same ? "green" : "orange"}
      icon={same ? <IconCheck aria-hidden /> : <IconExclamationCircle aria-hidden />}
      title={t(same ? "again.same" : "again.different")}
      styles={{ title: { color: "var(--mantine-color-text)" } }}
    >
      <Stack gap={4}>
        <Text size="sm">{inWords(explanation)}</Text>
        {notes?.map((note) => (
          <Text key={note} size="sm" c="dimmed">
            {inWords(note)}
          </Text>
        ))}
      </Stack>
    </Alert>
  );
}
