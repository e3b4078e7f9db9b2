import { Badge, Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Job } from "../../api/types";
import { titleOf } from "../../components/jobTitle";

/** What a job is: its title, its kind, how many pictures, and what sets it apart from others. */
export function JobTitle({ job }: { job: Job }) {
  const { t } = useTranslation("queue");
  const request = "request" in job.spec ? job.spec.request : null;
  const pictures = request?.num_images ?? 1;
  return (
    <Group gap="xs" wrap="nowrap" miw={0}>
      <Text size="sm" fw={600} truncate title={titleOf(job)} miw={0}>
        {titleOf(job)}
      </Text>
      <Badge variant="light" color="gray" flex="none" tt="none">
        {t(`kind.${job.kind}`)}
        {pictures > 1 && ` × ${pictures}`}
      </Badge>
      {job.priority !== 0 && (
        <Badge variant="outline" flex="none" tt="none">
          {t(job.priority > 0 ? "priority.raised" : "priority.lowered", { priority: job.priority })}
        </Badge>
      )}
    </Group>
  );
}
