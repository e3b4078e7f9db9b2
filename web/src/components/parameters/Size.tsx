import { ActionIcon, Chip, Group, SimpleGrid, Tooltip } from "@mantine/core";
import { IconArrowsLeftRight } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useDraft } from "../../state/draft";
import { RequestNumber } from "../request/RequestNumber";
import { RequestSelect } from "../request/RequestSelect";
import { useModelCard } from "../request/useField";
import { presets } from "./sizes";

export function Size() {
  const { t } = useTranslation("paint");
  const { width, height } = useDraft((draft) => draft.request);
  const set = useDraft((draft) => draft.set);
  const card = useModelCard();
  const native = { width: card?.width ?? 512, height: card?.height ?? card?.width ?? 512 };
  const present = `${width ?? native.width}x${height ?? native.height}`;
  const swap = (
    <Tooltip label={t("swap")}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="sm"
        aria-label={t("swap")}
        onClick={() => set({ width: height ?? native.height, height: width ?? native.width })}
      >
        <IconArrowsLeftRight size={16} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
  return (
    <>
      <SimpleGrid cols={2} spacing="sm">
        <RequestNumber name="width" aside={swap} />
        <RequestNumber name="height" />
      </SimpleGrid>
      <Group gap={6} role="group" aria-label={t("presets")}>
        {presets(native).map((size) => (
          <Chip
            key={size.name}
            size="xs"
            variant="light"
            checked={`${size.width}x${size.height}` === present}
            onChange={() => set({ width: size.width, height: size.height })}
            title={`${size.width} × ${size.height}`}
          >
            {size.name}
          </Chip>
        ))}
      </Group>
      <SimpleGrid cols={2} spacing="sm">
        <RequestNumber name="num_images" />
        <RequestSelect name="tiling" />
      </SimpleGrid>
    </>
  );
}
