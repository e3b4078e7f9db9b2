import { SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useDraft } from "../../state/draft";
import { NumberField } from "../NumberField";
import { RequestNumber } from "../request/RequestNumber";
import { RequestSelect } from "../request/RequestSelect";
import { useField } from "../request/useField";

/** What shapes guidance and the list of sigmas more finely. */
export function Guidance() {
  const { t } = useTranslation("paint");
  return (
    <>
      <RequestNumber name="clip_skip" slider={[1, 4]} />
      <RequestNumber name="guidance_rescale" slider={[0, 1]} step={0.05} decimals={3} />
      <Interval />
      <SimpleGrid cols={3} spacing="sm">
        <RequestNumber name="sigma_min" decimals={6} step={0.01} placeholder={t("automatic")} />
        <RequestNumber name="sigma_max" decimals={6} step={0.5} placeholder={t("automatic")} />
        <RequestNumber name="rho" decimals={3} step={0.5} placeholder={t("automatic")} />
      </SimpleGrid>
      <SimpleGrid cols={2} spacing="sm">
        <RequestSelect name="emphasis" />
        <RequestSelect name="dialect" />
      </SimpleGrid>
    </>
  );
}

/** Both ends together: with one of them empty it is off. */
const ALL: [number, number] = [0, 1000];

function Interval() {
  const { t } = useTranslation("paint");
  const interval = useDraft((draft) => draft.request.guidance_interval) ?? null;
  const set = useDraft((draft) => draft.set);
  const { help } = useField("guidance_interval");
  const change = (end: 0 | 1, value: number | null) => {
    if (value === null) return set({ guidance_interval: undefined });
    const next: [number, number] = [...(interval ?? ALL)];
    next[end] = value;
    set({ guidance_interval: next });
  };
  return (
    <SimpleGrid cols={2} spacing="sm">
      <NumberField
        label={t("intervalFrom")}
        help={help}
        value={interval?.[0] ?? null}
        onChange={(value) => change(0, value)}
        placeholder={t("off")}
        min={0}
        decimals={3}
      />
      <NumberField
        label={t("intervalTo")}
        value={interval?.[1] ?? null}
        onChange={(value) => change(1, value)}
        placeholder={t("off")}
        min={0}
        decimals={3}
      />
    </SimpleGrid>
  );
}
