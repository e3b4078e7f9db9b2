import { ActionIcon, Button, Group, Menu, Tooltip } from "@mantine/core";
import { IconChevronDown, IconInfinity, IconPlayerSkipForward, IconPlayerStop, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useProgress } from "../../api/events";
import { useCancel } from "../../api/queries";
import { notifyError } from "../../components/notify";
import type { Session } from "./session";
import { useForever } from "./useSession";

interface Props {
  onGenerate: () => void;
  sending: boolean;
  session: Session;
}

/** Generate, once or on and on; and what stops it. */
export function GenerateButtons({ onGenerate, sending, session }: Props) {
  const { t } = useTranslation("paint");
  const { forever, setForever } = useForever();
  const { active, going } = session;
  return (
    <Group gap={6} wrap="nowrap">
      <Button
        flex={1}
        size="md"
        px="xs"
        onClick={onGenerate}
        loading={sending}
        aria-keyshortcuts="Control+Enter"
        title={t("generateKeys")}
      >
        {going.length > 0 ? t("generateMore") : t("generate")}
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon
            size={42}
            variant={forever ? "filled" : "light"}
            aria-label={t(forever ? "foreverOn" : "moreWays")}
          >
            {forever ? <IconInfinity size={20} aria-hidden /> : <IconChevronDown size={18} aria-hidden />}
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconInfinity size={16} aria-hidden />} onClick={() => setForever(!forever)}>
            {forever ? t("foreverStop") : t("forever")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {active && <Stops session={session} />}
    </Group>
  );
}

function Stops({ session: { active, going } }: { session: Session }) {
  const { t } = useTranslation("paint");
  const { setForever } = useForever();
  const cancel = useCancel();
  const progress = useProgress(active?.id) ?? active?.progress;
  if (!active) return null;
  const stop = (id: string, picture?: number) => cancel.mutate({ id, picture }, { onError: notifyError });
  const cancelOne = () => {
    setForever(false);
    stop(active.id);
  };
  const cancelAll = () => {
    setForever(false);
    for (const job of [...going].reverse()) stop(job.id); // the running one last, so that none begins in between
  };
  const many = (progress?.pictures ?? 0) > 1 && active.state === "running";
  return (
    <>
      {many && (
        <Tooltip label={t("skip")}>
          <ActionIcon
            size={42}
            variant="default"
            aria-label={t("skip")}
            onClick={() => stop(active.id, progress?.picture)}
          >
            <IconPlayerSkipForward size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
      )}
      <Tooltip label={t("cancel")}>
        <ActionIcon size={42} variant="light" color="red" aria-label={t("cancel")} onClick={cancelOne}>
          <IconPlayerStop size={18} aria-hidden />
        </ActionIcon>
      </Tooltip>
      {going.length > 1 && (
        <Tooltip label={t("cancelAll", { count: going.length })}>
          <ActionIcon
            size={42}
            variant="default"
            aria-label={t("cancelAll", { count: going.length })}
            onClick={cancelAll}
          >
            <IconX size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
      )}
    </>
  );
}
