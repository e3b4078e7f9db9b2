import { SegmentedControl, SimpleGrid, Switch } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { TiledDiffusion } from "../../api/types";
import { useDraft } from "../../state/draft";
import { PartNumber } from "../request/PartNumber";

/** Overlapping windows, for pictures that are larger than the model or the memory. */
export function Tiles() {
  const { t } = useTranslation("paint");
  const tiles = useDraft((draft) => draft.request.tiled_diffusion) ?? null;
  const set = useDraft((draft) => draft.set);
  return (
    <>
      <Switch
        label={t("useTiles")}
        description={t("useTilesHelp")}
        checked={tiles !== null}
        onChange={(event) => set({ tiled_diffusion: event.currentTarget.checked ? {} : undefined })}
      />
      {tiles && (
        <>
          <SegmentedControl
            aria-label={t("tilesMethod")}
            size="xs"
            data={[
              { value: "multidiffusion", label: t("tilesPlain") },
              { value: "mixture", label: t("tilesGaussian") },
            ]}
            value={tiles.method ?? "multidiffusion"}
            onChange={(method) => set({ tiled_diffusion: { ...tiles, method: method as TiledDiffusion["method"] } })}
          />
          <PartNumber part="tiled_diffusion" name="overlap" slider={[0, 0.9]} step={0.05} decimals={2} />
          <SimpleGrid cols={2} spacing="sm">
            <PartNumber part="tiled_diffusion" name="size" placeholder={t("asModel")} />
            <PartNumber part="tiled_diffusion" name="at_once" />
          </SimpleGrid>
        </>
      )}
    </>
  );
}
