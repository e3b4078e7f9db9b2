import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Job } from "../../api/types";
import { inWords } from "../../api/words";

const KNOWN = [
  "MemoryNeededError",
  "WorkerLost",
  "CheckpointError",
  "UnsafeCheckpointError",
  "KeyMismatchError",
  "OutputError",
  "RequestError",
  "TrainingError",
];

/** Why a job failed: what that means, and below it what exactly was wrong. */
export function Failure({ error }: { error: NonNullable<Job["error"]> }) {
  const { t } = useTranslation("queue");
  return (
    <div>
      <Text size="sm" c="var(--mantine-color-error)">
        {t(`failure.${KNOWN.includes(error.type) ? error.type : "other"}`)}
      </Text>
      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {inWords(error.message)}
      </Text>
    </div>
  );
}
