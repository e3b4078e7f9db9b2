import { Alert, Button, Group, NumberInput, SimpleGrid, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useDraft } from "../state/draft";
import { extended, type Margins, MOST_MARGIN, MULTIPLE, NO_MARGINS, type Size, snapMargin } from "./geometry";
import { fitView, marginsOf, setMargins } from "./view";

const SIDES = ["left", "right", "top", "bottom"] as const;
const OPPOSITE = { left: "right", right: "left", top: "bottom", bottom: "top" } as const;

/** The frame in numbers, and what size it makes. */
export function ExtendFields({ size }: { size: Size }) {
  const { t } = useTranslation("canvas");
  const draft = useDraft();
  const margins = marginsOf(draft);
  const { width, height, inpaint_area } = draft.request;
  const whole = extended(size, margins);
  const extends_ = SIDES.some((side) => margins[side] > 0);
  const asked = { width: width ?? whole.width, height: height ?? whole.height };
  const isResized = inpaint_area !== "masked" && (asked.width !== whole.width || asked.height !== whole.height);

  function change(side: keyof Margins, pixels: number): void {
    const along = side === "left" || side === "right" ? size.width : size.height;
    setMargins({ ...margins, [side]: snapMargin(pixels, along + margins[OPPOSITE[side]]) });
    fitView();
  }

  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t("extend.help")}
      </Text>
      <SimpleGrid cols={{ base: 2, sm: 4 }}>
        {SIDES.map((side) => (
          <NumberInput
            key={side}
            label={t(`extend.${side}`)}
            value={margins[side]}
            onChange={(value) => typeof value === "number" && change(side, value)}
            min={0}
            max={MOST_MARGIN}
            step={MULTIPLE}
            suffix=" px"
            size="sm"
          />
        ))}
      </SimpleGrid>
      <Group justify="space-between">
        <Text size="sm">{t("extend.result", { ...whole })}</Text>
        {extends_ && (
          <Button variant="subtle" color="gray" size="compact-sm" onClick={() => (setMargins(NO_MARGINS), fitView())}>
            {t("extend.reset")}
          </Button>
        )}
      </Group>
      {extends_ && isResized && (
        <Alert variant="light" p="xs">
          <Group justify="space-between" gap="xs">
            <Text size="sm">{t("extend.resized", { ...asked })}</Text>
            <Button
              size="compact-sm"
              variant="light"
              onClick={() => draft.set({ width: undefined, height: undefined })}
            >
              {t("extend.ownSize")}
            </Button>
          </Group>
        </Alert>
      )}
    </Stack>
  );
}
