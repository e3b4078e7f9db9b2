import { Button, Stack } from "@mantine/core";
import { IconArrowsMaximize } from "@tabler/icons-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useSubmit } from "../../api/queries";
import { useChosenJob } from "../../components/JobChoice";
import { notifyError } from "../../components/notify";
import { Columns, Page, showResult } from "../../components/Page";
import { useNavigation } from "../../state/navigation";
import { Fields } from "./Fields";
import { specOf, useExtras } from "./form";
import { addImage, Pictures } from "./Pictures";
import { Results } from "./Results";

/** Finished pictures made larger, and faces mended. */
export default function Extras() {
  const { t } = useTranslation("extras");
  const picture = useNavigation(({ params }) => params.picture);
  const form = useExtras((state) => state.form);
  const chosen = useChosenJob("upscale");
  const submit = useSubmit();

  // Sent here from elsewhere; once, so that it does not come back after it was taken away.
  useEffect(() => {
    if (!picture) return;
    addImage(picture);
    history.replaceState(null, "", "#/extras");
    useNavigation.setState({ params: {} });
  }, [picture]);

  return (
    <Page title={t("title")} about={t("about")}>
      <Columns label={t("results")} result={<Results chosen={chosen} />}>
        <Stack gap="md">
          <Pictures />
          <Fields />
          <Button
            leftSection={<IconArrowsMaximize size={18} aria-hidden />}
            disabled={form.images.length === 0}
            loading={submit.isPending}
            onClick={() =>
              submit.mutate({ spec: specOf(form) }, { onSuccess: (job) => (chosen.choose(job.id), showResult()), onError: notifyError })
            }
          >
            {t("start", { count: form.images.length })}
          </Button>
        </Stack>
      </Columns>
    </Page>
  );
}
