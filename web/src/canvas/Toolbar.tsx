import { Divider, Group } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconBrush,
  IconBucketDroplet,
  IconColorPicker,
  IconEraser,
  IconHandStop,
  IconLasso,
  IconLayersSubtract,
  IconRectangle,
} from "@tabler/icons-react";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { MaskCommands } from "./MaskCommands";
import type { LayerName, Painting } from "./painting";
import { TOOL_KEYS } from "./shortcuts";
import { Tip } from "./Tip";
import { type Tool, toolsOf, type Area, useTools } from "./tools";

const ICONS = {
  brush: IconBrush,
  eraser: IconEraser,
  rectangle: IconRectangle,
  lasso: IconLasso,
  fill: IconBucketDroplet,
  pick: IconColorPicker,
  pan: IconHandStop,
} satisfies Record<Tool, unknown>;

interface Props {
  painting: Painting;
  area: Area;
  tool: Tool;
  layer: LayerName | null;
}

/** The tools of the area, what is done to a layer as a whole, and undo. */
export function Toolbar({ painting, area, tool, layer }: Props) {
  const { t } = useTranslation("canvas");
  const { subtract, set } = useTools();
  useSyncExternalStore(painting.subscribe, () => painting.revision);
  return (
    <Group gap={2} role="toolbar" aria-label={t("toolbar")}>
      {layer &&
        toolsOf(area).map((name) => (
          <Tip
            key={name}
            label={t(`tool.${name}`)}
            shortcut={TOOL_KEYS[name]}
            icon={ICONS[name]}
            pressed={name === tool}
            onClick={() => set({ tool: name })}
          />
        ))}
      {layer && (
        <Tip
          label={t("subtract")}
          shortcut="X"
          icon={IconLayersSubtract}
          pressed={subtract}
          onClick={() => set({ subtract: !subtract })}
        />
      )}
      {layer && <Divider orientation="vertical" mx={4} visibleFrom="xs" />}
      <Tip
        label={t("undo")}
        shortcut="Ctrl+Z"
        icon={IconArrowBackUp}
        onClick={() => painting.undo()}
        disabled={!painting.canUndo}
      />
      <Tip
        label={t("redo")}
        shortcut="Ctrl+Shift+Z"
        icon={IconArrowForwardUp}
        onClick={() => painting.redo()}
        disabled={!painting.canRedo}
      />
      {layer && <Divider orientation="vertical" mx={4} visibleFrom="xs" />}
      {layer && <MaskCommands painting={painting} layer={layer} />}
    </Group>
  );
}
