import { RequestNumber } from "../request/RequestNumber";
import { RequestSelect } from "../request/RequestSelect";
import { useModelCard } from "../request/useField";

/** What is finer about starting from a picture than what stands beside it. */
export function FromPicture() {
  const card = useModelCard();
  return (
    <>
      {card?.purpose === "instruct" && (
        <RequestNumber name="image_guidance_scale" slider={[0, 4]} step={0.05} decimals={2} />
      )}
      <RequestSelect name="step_rule" />
      <RequestNumber name="noise_multiplier" slider={[0, 2]} step={0.05} decimals={3} />
      <RequestNumber name="extra_noise" slider={[0, 1]} step={0.05} decimals={3} />
    </>
  );
}
