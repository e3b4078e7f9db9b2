import type { HiresPass, TiledDiffusion } from "../../api/types";
import { useDraft } from "../../state/draft";
import { NumberField } from "../NumberField";
import { useField } from "./useField";

/** The parts of a request that are switched on as a whole, and their names in the schema. */
const PARTS = { hires: "HiresPass", tiled_diffusion: "TiledDiffusion" } as const;

interface Props {
  part: keyof typeof PARTS;
  name: keyof HiresPass | keyof TiledDiffusion;
  slider?: [from: number, to: number];
  step?: number;
  decimals?: number;
  placeholder?: string;
}

/** A number of such a part. */
export function PartNumber({ part, name, placeholder, step, ...rest }: Props) {
  const values = useDraft((draft) => draft.request[part]) as Record<string, unknown> | null | undefined;
  const set = useDraft((draft) => draft.set);
  const { label, help, min, max, fallback, step: multiple } = useField(name, PARTS[part]);
  const value = values?.[name];
  return (
    <NumberField
      label={label}
      help={help}
      min={min}
      max={max}
      step={step ?? multiple}
      value={typeof value === "number" ? value : null}
      onChange={(next) => set({ [part]: without({ ...values, [name]: next }) })}
      placeholder={placeholder ?? (typeof fallback === "number" ? fallback : undefined)}
      {...rest}
    />
  );
}

/** Without what is null: the server fills it in. */
export function without<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)) as Partial<T>;
}
