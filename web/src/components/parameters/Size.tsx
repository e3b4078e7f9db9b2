import { ActionIcon, Button, Group, SimpleGrid, Tooltip } from "@mantine/core";
import { IconArrowsLeftRight } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useDraft } from "../../state/draft";
import { RequestNumber } from "../request/RequestNumber";
import { RequestSelect } from "../request/RequestSelect";
import { useModelCard } from "../request/useField";
import { presets } from "./sizes";

export function Size() {
  const { t } = useTranslation("paint");
  const mode = useDraft((draft) => draft.mode);
  const { width, height, init_image: picture, inpaint_area: area } = useDraft((draft) => draft.request);
  const set = useDraft((draft) => draft.set);
  const card = useModelCard();
  const native = { width: card?.width ?? 512, height: card?.height ?? card?.width ?? 512 };
  const present = `${width ?? native.width}x${height ?? native.height}`;
  // Of a masked area alone the model's own size is painted.
  const unsaid = mode !== "txt2img" && picture && area !== "masked" ? t("asPicture") : undefined;
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
        <RequestNumber name="width" aside={swap} placeholder={unsaid} />
        <RequestNumber name="height" placeholder={unsaid} />
      </SimpleGrid>
      <Group gap={2} role="group" aria-label={t("presets")}>
        {presets(native).map((size) => (
          <Button
            key={size.name}
            size="compact-xs"
            variant={`${size.width}x${size.height}` === present ? "light" : "subtle"}
            color={`${size.width}x${size.height}` === present ? undefined : "gray"}
            aria-pressed={`${size.width}x${size.height}` === present}
            onClick={() => set({ width: size.width, height: size.height })}
            title={`${size.width} × ${size.height}`}
          >
            {size.name}
          </Button>
        ))}
      </Group>
      <SimpleGrid cols={2} spacing="sm">
        <RequestNumber name="num_images" />
        <RequestSelect name="tiling" />
      </SimpleGrid>
    </>
  );
}
