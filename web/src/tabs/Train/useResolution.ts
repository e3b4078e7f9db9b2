import { useModels } from "../../api/queries";
import { useTrain } from "./form";

/** The side of pictures in the training: as it is set, or the model's own. */
export function useResolution(model: string | null): number {
  const chosen = useTrain(({ form }) => form.fields.resolution);
  const { data: models } = useModels("checkpoints");
  const card = models?.find((one) => (model ? one.name === model : one.default));
  return typeof chosen === "number" ? chosen : (card?.width ?? 512);
}
