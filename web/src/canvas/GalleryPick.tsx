import { Center, Loader, Modal, SimpleGrid, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { usePictures } from "../api/queries";
import type { PictureSource } from "../api/types";
import { PictureThumb } from "../components/PictureThumb";

interface Props {
  opened: boolean;
  onClose: () => void;
  onPick: (picture: PictureSource) => void;
}

const SHOWN = 48;

/** One of the gallery's pictures, to begin with. */
export function GalleryPick({ opened, onClose, onPick }: Props) {
  const { t } = useTranslation("canvas");
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t("pick.title")}
      size="xl"
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      <Pictures
        onPick={(picture) => {
          onPick(picture);
          onClose();
        }}
      />
    </Modal>
  );
}

function Pictures({ onPick }: Pick<Props, "onPick">) {
  const { t } = useTranslation("canvas");
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text, 250);
  const { data, isPending } = usePictures({ q, limit: SHOWN });
  return (
    <>
      <TextInput
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        placeholder={t("pick.search")}
        aria-label={t("pick.search")}
        data-autofocus
        mb="md"
      />
      {isPending && (
        <Center h={160}>
          <Loader size="sm" />
        </Center>
      )}
      {data?.pictures.length === 0 && <Text c="dimmed">{t("pick.none")}</Text>}
      <SimpleGrid cols={{ base: 3, sm: 6 }} spacing="xs">
        {data?.pictures.map((picture) => (
          <PictureThumb key={picture.id} picture={picture} onClick={() => onPick(`picture:${picture.id}`)} />
        ))}
      </SimpleGrid>
    </>
  );
}
