import { Alert, Button, Group, Loader, SegmentedControl, Stack, Text } from "@mantine/core";
import type { KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import type { PictureSource } from "../api/types";
import { useDraft } from "../state/draft";
import { partsOf } from "../state/parts";
import { Board } from "./Board";
import { EditFields } from "./EditFields";
import { ExtendFields } from "./ExtendFields";
import { retry } from "./keeping";
import type { Painting } from "./painting";
import { PictureMenu } from "./PictureMenu";
import { PicturePlace, pastePicture } from "./PicturePlace";
import { RegionFields } from "./RegionFields";
import { RegionPart } from "./RegionPart";
import { actionOf, isTyping } from "./shortcuts";
import { useCanvas } from "./state";
import { ToolOptions } from "./ToolOptions";
import { Toolbar } from "./Toolbar";
import { areasOf, chosen, layerOf, partAt, toolsOf, useTools } from "./tools";
import { Zoom } from "./Zoom";

export { settled } from "./keeping";

/**
 * The picture to start from, and all that can be done to it: masks, sketched colours, another frame, regions. From text
 * alone there is a blank sheet, for regions. `useFollow` must be in use as long as it is shown, or painted from.
 */
export default function EditCanvas() {
  const { t } = useTranslation("canvas");
  const { set, mode } = useDraft();
  const { painting, loading, problem } = useCanvas();
  const isSheet = mode === "txt2img";
  const start = (picture: PictureSource | null) => set({ init_image: picture ?? undefined });
  return (
    <Stack component="section" aria-label={t(isSheet ? "area.regions" : "title")} gap="sm" w="100%">
      {problem && (
        <Alert color="red" variant="light" p="xs">
          <Group justify="space-between" gap="xs">
            <Text size="sm">
              {t(problem.key)} {problem.reason}
            </Text>
            <Button size="compact-sm" variant="light" color="red" onClick={retry}>
              {t("problem.again")}
            </Button>
          </Group>
        </Alert>
      )}
      {painting ? (
        <Editor painting={painting} onPicture={isSheet ? null : start} />
      ) : loading || isSheet ? (
        <Loader size="sm" mx="auto" my="xl" aria-label={t("loading")} />
      ) : (
        <PicturePlace value={null} onChange={start} label={t("start")} height={220} />
      )}
      {!isSheet && <EditFields />}
    </Stack>
  );
}

interface EditorProps {
  painting: Painting;
  /** Takes another picture; null where there is none to take. */
  onPicture: ((picture: PictureSource | null) => void) | null;
}

function Editor({ painting, onPicture }: EditorProps) {
  const { t } = useTranslation("canvas");
  const { request, mode } = useDraft();
  const saving = useCanvas((state) => state.saving);
  const tools = useTools();
  const areas = areasOf(mode, partsOf(request).length);
  const area = chosen(areas, tools.area) ?? "picture";
  const atHand = toolsOf(area);
  const tool = chosen(atHand, tools.tool) ?? "pan";
  const layer = layerOf(area, partAt(request, tools.part));
  const { width, height } = painting.size;

  function onKeyDown(event: KeyboardEvent): void {
    if (isTyping(event.target)) return;
    const action = actionOf(event, painting, atHand);
    if (action === null) return;
    event.preventDefault();
    action();
  }

  return (
    <Stack gap="xs" onKeyDown={onKeyDown} onPaste={(event) => onPicture && void pastePicture(event, onPicture)}>
      <Group justify="space-between" gap="xs">
        {areas.length > 1 && (
          <SegmentedControl
            size="xs"
            aria-label={t("area.label")}
            data={areas.map((value) => ({ value, label: t(`area.${value}`) }))}
            value={area}
            onChange={(value) => tools.set({ area: value })}
          />
        )}
        {area === "regions" && <RegionPart />}
        <Group gap={2} wrap="nowrap">
          <Zoom />
          {onPicture && <PictureMenu onChange={onPicture} />}
        </Group>
      </Group>
      {area !== "picture" && <Toolbar painting={painting} area={area} tool={tool} layer={layer} />}
      <ToolOptions area={area} tool={tool} />
      <Board painting={painting} area={area} tool={tool} layer={layer} />
      <Group justify="space-between" gap="xs">
        <Text size="xs" c="dimmed">
          {t("size", { width, height })}
        </Text>
        <Text size="xs" c="dimmed" aria-live="polite">
          {saving ? t("saving") : ""}
        </Text>
      </Group>
      {area === "extend" && <ExtendFields size={painting.size} />}
      {area === "regions" && <RegionFields />}
    </Stack>
  );
}
