import { Textarea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Field } from "../../components/Field";
import { NumberField } from "../../components/NumberField";
import { setField, useTrain } from "./form";
import classes from "./Train.module.css";

/** What is painted on the way, to see what was learned. */
export function Samples() {
  const { t } = useTranslation("train");
  const { fields } = useTrain(({ form }) => form);
  const prompts = Array.isArray(fields.sample_prompts) ? fields.sample_prompts.map(String) : [];
  const number = (value: unknown) => (typeof value === "number" ? value : null);
  return (
    <>
      <Field label={t("field.sample_prompts")} help={t("help.sample_prompts")}>
        <Textarea
          autosize
          minRows={2}
          maxRows={8}
          placeholder={t("samplesUsual")}
          value={prompts.join("\n")}
          onChange={(event) => {
            const text = event.currentTarget.value;
            setField("sample_prompts", text ? text.split("\n") : null);
          }}
          // A line that is empty is no prompt, but has to be there while one is being written.
          onBlur={() => {
            const written = prompts.filter((prompt) => prompt.trim());
            setField("sample_prompts", written.length ? written : null);
          }}
        />
      </Field>
      <div className={classes.fields}>
        <NumberField
          label={t("field.sample_seed")}
          help={t("help.sample_seed")}
          value={number(fields.sample_seed)}
          onChange={(value) => setField("sample_seed", value)}
          placeholder={0}
          min={0}
        />
        <NumberField
          label={t("field.sample_steps")}
          help={t("help.sample_steps")}
          value={number(fields.sample_steps)}
          onChange={(value) => setField("sample_steps", value)}
          placeholder={t("automatic")}
          min={1}
        />
      </div>
    </>
  );
}
