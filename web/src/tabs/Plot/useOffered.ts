import { useChoices, useModels, useSchema, useStyles } from "../../api/queries";

/** The values that an axis can have, where they are counted. */
export function useOffered(axis: string): string[] {
  const { data: choices } = useChoices();
  const { data: checkpoints = [] } = useModels("checkpoints");
  const { data: vaes = [] } = useModels("vae");
  const { data: styles = [] } = useStyles();
  const { data: schema } = useSchema();
  const names = (cards: { name: string }[]) => cards.map(({ name }) => name);
  switch (axis) {
    case "Sampler":
    case "Hires sampler":
      return names(choices?.samplers ?? []);
    case "Schedule type":
    case "schedule":
      return names(choices?.schedules ?? []);
    case "Checkpoint name":
      return names(checkpoints);
    case "VAE":
      return ["None", ...names(vaes)];
    case "Styles":
      return names(styles);
    case "Hires upscaler":
      return [...(choices?.latent_upscalers ?? []), ...(choices?.upscalers ?? [])];
    case "RNG source":
      return ["CPU", "NV"];
    default:
      return schema?.request.properties?.[axis]?.enum ?? [];
  }
}
