import { Button, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import {
  IconArrowsMaximize,
  IconFileImport,
  IconInfoCircle,
  IconMask,
  IconPhotoEdit,
  IconRoute,
  IconTextPlus,
} from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import type { PictureSource } from "../api/types";
import { explain, notifyError } from "../components/notify";
import { useNavigation } from "../state/navigation";
import { useSend } from "../viewer/send";
import { useReturnFocus } from "../viewer/useReturnFocus";
import classes from "./Drop.module.css";
import { FilePicture } from "./FilePicture";
import type { Dropped } from "./index";
import { readInfo, useInfo } from "./info";

interface DropDialogProps {
  dropped: Dropped;
  onClose: () => void;
}

/** What a dropped picture or a pasted text says, and what to do with it. */
export default function DropDialog({ dropped, onClose }: DropDialogProps) {
  const { t } = useTranslation("info");
  useReturnFocus();
  const { go } = useNavigation();
  const send = useSend();
  const file = "file" in dropped ? dropped.file : null;
  const asked = useMemo(() => ("file" in dropped ? { file: dropped.file } : { text: dropped.text }), [dropped]);
  const { data: found, error, isPending } = useQuery({
    // A file has nothing that tells it from all others, so what was found lives only as long as the dialog.
    queryKey: ["dropped", file ? [file.name, file.size, file.lastModified] : asked],
    queryFn: () => readInfo(asked),
    gcTime: 0,
    retry: false,
  });
  const upload = useMutation({
    mutationFn: async (use: (picture: PictureSource) => void) => {
      if (!file) return;
      const { id } = await api.upload(file);
      use(`upload:${id}`);
    },
    onSuccess: onClose,
    onError: notifyError,
  });
  const request = found?.request;

  return (
    <Modal
      opened
      onClose={onClose}
      title={t(file ? "drop.picture" : "drop.text")}
      closeButtonProps={{ "aria-label": t("common:close") }}
      size="lg"
      zIndex={450}
    >
      <Group align="flex-start" wrap="nowrap" mb="md">
        {file && <FilePicture file={file} className={classes.picture} />}
        <Stack gap={4} miw={0}>
          {isPending && <Loader size="sm" aria-label={t("reading")} />}
          {error && (
            <Text size="sm" c="red">
              {explain(error)}
            </Text>
          )}
          {found && (
            <Text size="sm" c="dimmed">
              {found.program || t("unknown")}
            </Text>
          )}
          {found?.prompt && (
            <Text size="sm" lineClamp={5}>
              {found.prompt}
            </Text>
          )}
          {found && found.warnings.length > 0 && (
            <Text size="sm" c="dimmed">
              {t("warnings")}: {found.warnings.length}
            </Text>
          )}
          {found && !request && (
            <Text size="sm" c="dimmed">
              {t("silent")}
            </Text>
          )}
        </Stack>
      </Group>
      <Stack gap="xs">
        {request && (
          <Choice
            main
            icon={<IconFileImport size={18} />}
            label={t("viewer:send.all")}
            onClick={() => {
              send.settings(request);
              onClose();
            }}
          />
        )}
        {file && (
          <>
            <Choice
              icon={<IconPhotoEdit size={18} />}
              label={t("viewer:send.img2img")}
              busy={upload.isPending}
              onClick={() => upload.mutate((picture) => send.start(picture, "img2img"))}
            />
            <Choice
              icon={<IconMask size={18} />}
              label={t("viewer:send.inpaint")}
              busy={upload.isPending}
              onClick={() => upload.mutate((picture) => send.start(picture, "inpaint"))}
            />
            <Choice
              icon={<IconArrowsMaximize size={18} />}
              label={t("viewer:send.extras")}
              busy={upload.isPending}
              onClick={() => upload.mutate(send.extras)}
            />
            <Choice
              icon={<IconRoute size={18} />}
              label={t("viewer:send.control")}
              busy={upload.isPending}
              onClick={() => upload.mutate(send.control)}
            />
          </>
        )}
        {"back" in dropped && dropped.back && (
          <Choice
            icon={<IconTextPlus size={18} />}
            label={t("drop.insert")}
            onClick={() => {
              onClose();
              // After the dialog has given the focus back.
              setTimeout(() => dropped.back?.());
            }}
          />
        )}
        <Choice
          icon={<IconInfoCircle size={18} />}
          label={t("drop.all")}
          onClick={() => {
            void useInfo.getState().ask(asked);
            go("info");
            onClose();
          }}
        />
      </Stack>
    </Modal>
  );
}

interface ChoiceProps {
  label: string;
  icon: ReactNode;
  main?: boolean;
  busy?: boolean;
  onClick: () => void;
}

function Choice({ label, icon, main, busy, onClick }: ChoiceProps) {
  return (
    <Button
      variant={main ? "filled" : "default"}
      justify="flex-start"
      leftSection={icon}
      disabled={busy}
      onClick={onClick}
      data-autofocus={main}
    >
      {label}
    </Button>
  );
}
