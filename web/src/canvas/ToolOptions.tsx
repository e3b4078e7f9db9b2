import { Anchor, ColorInput, Group, Slider, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useDraft } from "../state/draft";
import { type Area, BRUSH_SIZES, type Tool, useTools } from "./tools";
import classes from "./ToolOptions.module.css";

const SWATCHES = ["#000000", "#ffffff", "#d9480f", "#f2b705", "#2b8a3e", "#2f5d9e", "#7048a8", "#8a5a3c"];

/** How the tool in the hand works. */
export function ToolOptions({ area, tool }: { area: Area; tool: Tool }) {
  const { t } = useTranslation("canvas");
  const { size, hardness, opacity, colour, overlay, set } = useTools();
  const { request, set: setDraft } = useDraft();
  const isBrush = tool === "brush" || tool === "eraser";
  const showsMask = area === "mask" || area === "regions";
  if (area === "extend" || area === "picture") return null;
  return (
    <Stack gap={6}>
      <Group gap="sm">
        {area === "sketch" && (
          <ColorInput
            value={colour}
            onChange={(value) => /^#[0-9a-f]{6}$/i.test(value) && set({ colour: value })}
            aria-label={t("option.colour")}
            swatches={SWATCHES}
            withEyeDropper={false}
            size="xs"
            w={120}
          />
        )}
        {isBrush && (
          // The square spreads the small sizes, which are told apart, and presses the large ones together
          <Option
            name="size"
            value={Math.sqrt(size / BRUSH_SIZES.most)}
            text={`${size} px`}
            min={Math.sqrt(BRUSH_SIZES.least / BRUSH_SIZES.most)}
            onChange={(value) => set({ size: Math.max(BRUSH_SIZES.least, Math.round(value ** 2 * BRUSH_SIZES.most)) })}
          />
        )}
        {isBrush && <Option name="hardness" value={hardness} onChange={(value) => set({ hardness: value })} />}
        {area === "sketch" && (
          <Option name="opacity" value={opacity} min={0.05} onChange={(value) => set({ opacity: value })} />
        )}
        {showsMask && (
          <Option name="overlay" value={overlay} min={0.1} onChange={(value) => set({ overlay: value })} />
        )}
      </Group>
      {area === "mask" && isBrush && hardness < 0.9 && !request.mask_soft && (
        <Text size="xs" c="dimmed">
          {t("softHint")}{" "}
          <Anchor component="button" type="button" size="xs" onClick={() => setDraft({ mask_soft: true })}>
            {t("softUse")}
          </Anchor>
        </Text>
      )}
    </Stack>
  );
}

interface OptionProps {
  name: "size" | "hardness" | "opacity" | "overlay";
  /** From 0 to 1. */
  value: number;
  text?: string;
  min?: number;
  onChange: (value: number) => void;
}

function Option({ name, value, text, min = 0, onChange }: OptionProps) {
  const { t } = useTranslation("canvas");
  const label = t(`option.${name}`);
  const shown = text ?? `${Math.round(100 * value)} %`;
  return (
    <Group gap={8} wrap="nowrap" className={classes.option}>
      <Text size="xs" c="dimmed" className={classes.label}>
        {label}
      </Text>
      <Slider
        className={classes.slider}
        value={value}
        onChange={onChange}
        min={min}
        max={1}
        step={0.01}
        size="sm"
        label={null}
        thumbLabel={label}
        thumbProps={{ "aria-valuetext": shown }}
      />
      <Text size="xs" className={classes.value}>
        {shown}
      </Text>
    </Group>
  );
}
