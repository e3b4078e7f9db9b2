import { Alert, Image, Stack, Text, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { pictureUrl } from "../../api/client";
import type { Job, Picture } from "../../api/types";
import { inWords } from "../../api/words";
import { Filmstrip } from "../../components/Filmstrip";
import { Preview } from "../../components/Preview";
import { Logo } from "../../shell/Logo";
import { openViewer } from "../../viewer";
import { Failure } from "../Queue/Failure";
import classes from "./Paint.module.css";
import { ResultActions } from "./ResultActions";
import type { Session } from "./session";

interface Props {
  session: Session;
  /** A result to look at; null follows what is painted. */
  shown: Picture | null;
}

/** The picture in the middle: what is painted now, or a result. */
export function Stage({ session: { active, failed, pictures }, shown }: Props) {
  if (active && !shown) return <Live key={active.id} job={active} last={pictures[0]} />;
  const newest = shown === null || shown.id === pictures[0]?.id;
  return (
    <div className={classes.picture}>
      {failed && newest && <Failed job={failed} />}
      {shown ? <Result picture={shown} among={pictures} /> : !failed && <Nothing />}
    </div>
  );
}

function Live({ job, last }: { job: Job; last?: Picture }) {
  const [step, setStep] = useState<number | null>(null);
  return (
    <div className={classes.picture}>
      <Preview job={job} step={step}>
        {/* the result before stays until there is something new to see */}
        {last ? <Image className={classes.last} src={pictureUrl(last.id)} alt="" /> : <Nothing quiet />}
      </Preview>
      <Filmstrip job={job} selected={step} onSelect={setStep} />
    </div>
  );
}

function Result({ picture, among }: { picture: Picture; among: Picture[] }) {
  const { t } = useTranslation("paint");
  const open = () => openViewer(among, Math.max(0, among.findIndex((other) => other.id === picture.id)));
  return (
    <>
      <UnstyledButton className={classes.frame} onClick={open} aria-label={t("openViewer")}>
        <img className={classes.result} src={pictureUrl(picture.id)} alt={picture.prompt} />
      </UnstyledButton>
      <ResultActions picture={picture} onOpen={open} />
      {picture.warnings.map((warning) => (
        <Text key={warning} fz="xs" c="dimmed">
          {inWords(warning)}
        </Text>
      ))}
    </>
  );
}

function Failed({ job }: { job: Job }) {
  const { t } = useTranslation("paint");
  return (
    <Alert color="red" title={t("failed")} maw={640} w="100%">
      {job.error && <Failure error={job.error} />}
    </Alert>
  );
}

function Nothing({ quiet = false }: { quiet?: boolean }) {
  const { t } = useTranslation("paint");
  return (
    <Stack align="center" justify="center" gap="xs" flex={1}>
      <Logo size={56} />
      {!quiet && (
        <Text c="dimmed" ta="center" maw={360} style={{ textWrap: "balance", wordBreak: "keep-all" }}>
          {t("nothingYet")}
        </Text>
      )}
    </Stack>
  );
}
