import { Stack } from "@mantine/core";
import { useDraft } from "../state/draft";
import { Advanced } from "./parameters/Advanced";
import { FromPicture } from "./parameters/FromPicture";
import { Guidance } from "./parameters/Guidance";
import { Hires } from "./parameters/Hires";
import { Sampling } from "./parameters/Sampling";
import { Seeds } from "./parameters/Seeds";
import { Size } from "./parameters/Size";
import { Group } from "./parameters/Group";
import { Tiles } from "./parameters/Tiles";

/** All parameters of the draft, in groups that open and close; which stand open is remembered. */
export function Parameters() {
  const mode = useDraft((draft) => draft.mode);
  const { hires, tiled_diffusion: tiles, variation_strength: variation } = useDraft((draft) => draft.request);
  return (
    <Stack gap={0}>
      <Group name="size">
        <Size />
      </Group>
      <Group name="sampling">
        <Sampling />
      </Group>
      <Group name="seeds" active={Boolean(variation)}>
        <Seeds />
      </Group>
      {mode === "txt2img" ? (
        <Group name="hires" active={Boolean(hires)}>
          <Hires />
        </Group>
      ) : (
        <Group name="fromPicture">
          <FromPicture />
        </Group>
      )}
      <Group name="tiles" active={Boolean(tiles)}>
        <Tiles />
      </Group>
      <Group name="guidance">
        <Guidance />
      </Group>
      <Group name="advanced">
        <Advanced />
      </Group>
    </Stack>
  );
}
