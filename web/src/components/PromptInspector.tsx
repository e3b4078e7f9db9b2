import { Alert, Badge, Drawer, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { InspectedPrompt, Inspection, PromptPhase, PromptToken } from "../api/types";
import { inWords } from "../api/words";
import { explain } from "./notify";
import classes from "./PromptInspector.module.css";

interface Props {
  opened: boolean;
  onClose: () => void;
  inspection: Inspection | undefined;
  error: Error | null;
}

/** How the model reads the prompts: parts, what holds at which step, chunks, tokens and their weights. */
export function PromptInspector({ opened, onClose, inspection, error }: Props) {
  const { t } = useTranslation("paint");
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      size="lg"
      title={t("inspector.title")}
      closeButtonProps={{ "aria-label": t("close", { ns: "common" }) }}
    >
      {error && <Alert color="red">{explain(error)}</Alert>}
      {inspection && (
        <Tabs defaultValue="prompt">
          <Tabs.List mb="md">
            <Tabs.Tab value="prompt">{t("prompt")}</Tabs.Tab>
            <Tabs.Tab value="negative_prompt">{t("negativePrompt")}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="prompt">
            <Prompt read={inspection.prompt} />
          </Tabs.Panel>
          <Tabs.Panel value="negative_prompt">
            <Prompt read={inspection.negative_prompt} />
          </Tabs.Panel>
          {inspection.messages.map((message) => (
            <Alert key={message} mt="sm" p="xs">
              {inWords(message)}
            </Alert>
          ))}
        </Tabs>
      )}
    </Drawer>
  );
}

function Prompt({ read }: { read: InspectedPrompt }) {
  const { t } = useTranslation("paint");
  return (
    <Stack gap="lg">
      <Text size="sm" c="dimmed">
        {t("inspector.legend")}
      </Text>
      {(read.networks.length > 0 || read.embeddings.length > 0) && (
        <Group gap={6}>
          {read.networks.map(({ kind, name, weight }) => (
            <Badge key={`${kind}:${name}`} variant="light" tt="none">
              {kind}: {name} × {weight}
            </Badge>
          ))}
          {read.embeddings.map((name) => (
            <Badge key={name} variant="outline" tt="none">
              {name}
            </Badge>
          ))}
        </Group>
      )}
      {read.parts.map((part, i) => (
        <section key={i}>
          {read.parts.length > 1 && (
            <Title order={3} fz="sm" mb={6}>
              {t("inspector.part", { number: i + 1, weight: part.weight })}
            </Title>
          )}
          <Stack gap="md">
            {part.phases.map((phase) => (
              <Phase key={phase.first_step} phase={phase} alone={part.phases.length === 1} />
            ))}
          </Stack>
        </section>
      ))}
    </Stack>
  );
}

function Phase({ phase, alone }: { phase: PromptPhase; alone: boolean }) {
  const { t } = useTranslation("paint");
  return (
    <div>
      {!alone && (
        <Text size="xs" c="dimmed" mb={4}>
          {t("inspector.steps", { from: phase.first_step, to: phase.last_step })}
        </Text>
      )}
      {phase.chunks.map((chunk, i) => (
        <ol key={i} className={classes.chunk} aria-label={t("inspector.chunk", { number: i + 1 })}>
          {chunk.map((token, j) => (
            <Token key={j} {...token} />
          ))}
        </ol>
      ))}
    </div>
  );
}

function Token({ id, text, weight, is_embedding: embedding }: PromptToken) {
  return (
    <li className={classes.token} data-embedding={embedding || undefined} title={`${id}`}>
      <span>{text.replace("</w>", "")}</span>
      {weight !== 1 && <small>{weight.toFixed(2)}</small>}
    </li>
  );
}
