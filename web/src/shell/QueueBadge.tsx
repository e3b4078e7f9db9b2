import { Button, RingProgress, Tooltip } from "@mantine/core";
import { IconList, IconPlayerPause } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useProgress } from "../api/events";
import { useQueue } from "../api/queries";
import { titleOf } from "../components/jobTitle";
import { useNavigation } from "../state/navigation";

/** How far the running job is, and how many are behind it; leads to the queue. */
export function QueueBadge() {
  const { t } = useTranslation();
  const go = useNavigation((navigation) => navigation.go);
  const { data: queue } = useQueue();
  const running = queue?.running[0];
  const progress = useProgress(running?.id) ?? running?.progress;
  if (!queue) return null;
  const many = queue.running.length + queue.total;
  const percent = 100 * (progress?.done ?? 0);
  const words = many === 0 ? t("queueEmpty") : t("queueCount", { count: many });
  const icon = running ? (
    <RingProgress size={22} thickness={3} sections={[{ value: percent, color: "ink" }]} aria-hidden />
  ) : queue.paused ? (
    <IconPlayerPause size={18} aria-hidden />
  ) : (
    <IconList size={18} aria-hidden />
  );
  return (
    <Tooltip label={running ? `${words} · ${titleOf(running)}` : words} maw={360} multiline>
      <Button
        variant="subtle"
        color="gray"
        size="compact-md"
        leftSection={icon}
        onClick={() => go("queue")}
        aria-label={words}
      >
        {many}
      </Button>
    </Tooltip>
  );
}
