import { ActionIcon, Group, Menu, Tooltip } from "@mantine/core";
import {
  IconArrowDown,
  IconArrowUp,
  IconCode,
  IconDots,
  IconFlag,
  IconGripVertical,
  IconPlayerPause,
  IconPlayerPlay,
  IconX,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useCancel, useHold, usePrioritise, useRelease } from "../../api/queries";
import type { Job } from "../../api/types";
import { titleOf } from "../../components/jobTitle";
import { notifyError } from "../../components/notify";
import { JobPictures } from "./JobPictures";
import { JobTitle } from "./JobTitle";
import classes from "./Queue.module.css";

interface WaitingJobProps {
  job: Job;
  place: number;
  count: number;
  onMove: (to: number) => void;
  onDetails: () => void;
}

const PRIORITIES = { high: 10, normal: 0, low: -10 } as const;

export function WaitingJob({ job, place, count, onMove, onDetails }: WaitingJobProps) {
  const { t } = useTranslation("queue");
  const failing = { onError: notifyError };
  const cancel = useCancel();
  const hold = useHold();
  const release = useRelease();
  const prioritise = usePrioritise();
  const held = job.state === "held";
  const title = titleOf(job);
  return (
    <>
      <IconGripVertical size={18} aria-hidden className={classes.grip} />
      <div className={classes.body}>
        <JobTitle job={job} />
        <JobPictures pictures={job.pictures} />
      </div>
      <Group gap={2} wrap="nowrap">
        <Act
          label={t("up", { title })}
          tip={t("upTip")}
          disabled={place === 0}
          onClick={() => onMove(place - 1)}
          icon={<IconArrowUp size={18} />}
        />
        <Act
          label={t("down", { title })}
          tip={t("downTip")}
          disabled={place === count - 1}
          onClick={() => onMove(place + 1)}
          icon={<IconArrowDown size={18} />}
        />
        <Act
          label={t(held ? "release" : "hold", { title })}
          tip={t(held ? "releaseTip" : "holdTip")}
          onClick={() => (held ? release : hold).mutate({ id: job.id }, failing)}
          icon={held ? <IconPlayerPlay size={18} /> : <IconPlayerPause size={18} />}
        />
        <Act
          label={t("cancelJob", { title })}
          tip={t("common:cancel")}
          onClick={() => cancel.mutate({ id: job.id }, failing)}
          icon={<IconX size={18} />}
        />
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={t("menu", { title })}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconArrowUp size={16} />} disabled={place === 0} onClick={() => onMove(0)}>
              {t("first")}
            </Menu.Item>
            <Menu.Item
              leftSection={<IconArrowDown size={16} />}
              disabled={place === count - 1}
              onClick={() => onMove(count - 1)}
            >
              {t("last")}
            </Menu.Item>
            <Menu.Divider />
            <Menu.Label>{t("priority.title")}</Menu.Label>
            {Object.entries(PRIORITIES).map(([name, priority]) => (
              <Menu.Item
                key={name}
                leftSection={<IconFlag size={16} />}
                disabled={job.priority === priority}
                onClick={() => prioritise.mutate({ id: job.id, priority }, failing)}
              >
                {t(`priority.${name}`)}
              </Menu.Item>
            ))}
            <Menu.Divider />
            <Menu.Item leftSection={<IconCode size={16} />} onClick={onDetails}>
              {t("details")}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
    </>
  );
}

interface ActProps {
  /** With the job's title, since there is one such button for each job. */
  label: string;
  tip: string;
  icon: ReactNode;
  disabled?: boolean;
  onClick: () => void;
}

function Act({ label, tip, icon, disabled, onClick }: ActProps) {
  return (
    <Tooltip label={tip}>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={label}
        disabled={disabled}
        bg={disabled ? "transparent" : undefined}
        onClick={onClick}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
