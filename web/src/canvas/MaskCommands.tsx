import { IconContrast, IconSquareFilled, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Command, LayerName, Painting } from "./painting";
import { Tip } from "./Tip";

const ICONS = { fill: IconSquareFilled, invert: IconContrast, clear: IconTrash } satisfies Record<Command, unknown>;

/** What is done to a whole layer. A sketch has no inside and outside: it is only cleared. */
export function MaskCommands({ painting, layer }: { painting: Painting; layer: LayerName }) {
  const { t } = useTranslation("canvas");
  const commands: Command[] = layer === "sketch" ? ["clear"] : ["fill", "invert", "clear"];
  return commands.map((command) => (
    <Tip
      key={command}
      label={t(`command.${command}`)}
      icon={ICONS[command]}
      onClick={() => painting.command(layer, command)}
      disabled={command === "clear" && painting.isEmpty(layer)}
    />
  ));
}
