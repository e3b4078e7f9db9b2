import { Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { usePlan } from "../../api/queries";
import { bytes, seconds } from "../../components/format";
import { useDraft } from "../../state/draft";
import { specOf } from "../../state/spec";

/** How long it takes and whether it fits: "about 4 s · 0.3 GB · fits". */
export function PlanLine() {
  const { t } = useTranslation("paint");
  const draft = useDraft();
  const spec = useMemo(() => specOf(draft), [draft]);
  const [asked] = useDebouncedValue(spec, 500);
  const { data: plan, isError } = usePlan(asked);
  // What is wrong with the request is said when it is sent; while it is being written it would only nag.
  if (!plan || isError) return <Text fz="xs" mih={18} />;
  const words = [
    plan.seconds !== null && t("plan.time", { time: seconds(plan.seconds) }),
    plan.bytes !== null && bytes(plan.bytes),
    plan.fits ? t("plan.fits") : t("plan.tooLarge", { available: bytes(plan.available_bytes ?? 0) }),
    plan.device,
  ].filter(Boolean);
  return (
    <div role="status">
      <Text fz="xs" c={plan.fits ? "dimmed" : "var(--mantine-color-error)"}>
        {words.join(" · ")}
      </Text>
      {plan.messages.filter(({ key }) => key !== "too_large").map(({ key, values, text }) => (
        <Text key={key} fz="xs" c="dimmed">
          {t(`messages:plan.${key}`, { ...values, defaultValue: text })}
        </Text>
      ))}
    </div>
  );
}
