import { ColorSwatch, Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useDraft } from "../state/draft";
import { partsOf } from "../state/parts";
import { tintOf } from "./painting";
import { partAt, useTools } from "./tools";

const LENGTH = 60;

/** The part of the prompt whose region is painted, with its colour. */
export function RegionPart() {
  const { t } = useTranslation("canvas");
  const request = useDraft((draft) => draft.request);
  const { part: last, set } = useTools();
  const part = partAt(request, last);
  return (
    <Select
      flex={1}
      miw={180}
      maw={420}
      size="xs"
      aria-label={t("region.part")}
      data={partsOf(request).map((text, i) => ({ value: String(i + 1), label: `${i + 1}. ${text.slice(0, LENGTH)}` }))}
      value={String(part)}
      onChange={(value) => set({ part: Number(value) })}
      allowDeselect={false}
      leftSection={<ColorSwatch size={14} color={`rgb(${tintOf(`region${part}`).join(" ")})`} />}
    />
  );
}
