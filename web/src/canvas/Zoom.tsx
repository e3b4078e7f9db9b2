import { Group, Text } from "@mantine/core";
import { IconArrowsMaximize, IconZoomIn, IconZoomOut } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { ZOOM_STEP } from "./shortcuts";
import { Tip } from "./Tip";
import { fitView, useView, zoom } from "./view";

export function Zoom() {
  const { t } = useTranslation("canvas");
  const scale = useView((state) => state.view.scale);
  return (
    <Group gap={2} wrap="nowrap" role="group" aria-label={t("zoom.label")}>
      <Tip label={t("zoom.out")} shortcut="-" icon={IconZoomOut} onClick={() => zoom(1 / ZOOM_STEP)} />
      <Text size="xs" c="dimmed" w={44} ta="center" style={{ fontVariantNumeric: "tabular-nums" }}>
        {Math.round(100 * scale)} %
      </Text>
      <Tip label={t("zoom.in")} shortcut="+" icon={IconZoomIn} onClick={() => zoom(ZOOM_STEP)} />
      <Tip label={t("zoom.fit")} shortcut="0" icon={IconArrowsMaximize} onClick={fitView} />
    </Group>
  );
}
