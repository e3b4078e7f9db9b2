import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useSchema } from "../api/queries";
import type { GenerationRequest } from "../api/types";
import { chosen, describeRequest, type Row } from "./fields";

/** The settings of a request in words, without its prompts: those that somebody chose, and those that are as usual. */
export function useRows(request: Partial<GenerationRequest> | null): { main: Row[]; usual: Row[] } {
  const { t } = useTranslation("viewer");
  const { data: schema } = useSchema();
  return useMemo(() => {
    const { prompt: _prompt, negative_prompt: _negative, ...settings } = request ?? {};
    if (!settings.init_image) delete settings.strength; // it is said always, and means nothing then
    const fields = Object.entries(schema?.request.properties ?? {});
    const defaults = Object.fromEntries(fields.map(([name, field]) => [name, field.default]));
    const main = describeRequest(chosen(settings, defaults), t);
    const shown = new Set(main.map((row) => row.key));
    return { main, usual: describeRequest(settings, t).filter((row) => !shown.has(row.key)) };
  }, [request, schema, t]);
}
