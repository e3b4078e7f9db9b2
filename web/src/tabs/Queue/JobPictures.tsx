import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Picture } from "../../api/types";
import { PictureThumb } from "../../components/PictureThumb";
import { openViewer } from "../../viewer";

const SHOWN = 8;

/** The first pictures of a job, small; each opens in the viewer with all others beside it. */
export function JobPictures({ pictures }: { pictures: Picture[] }) {
  const { t } = useTranslation("queue");
  if (pictures.length === 0) return null;
  const more = pictures.length - SHOWN;
  return (
    <Group gap={6}>
      {pictures.slice(0, SHOWN).map((picture, index) => (
        <PictureThumb key={picture.id} picture={picture} size={48} onClick={() => openViewer(pictures, index)} />
      ))}
      {more > 0 && (
        <Text size="xs" c="dimmed">
          {t("more", { count: more })}
        </Text>
      )}
    </Group>
  );
}
