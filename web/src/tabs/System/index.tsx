import { Alert, Anchor, Badge, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { useSystem } from "../../api/queries";
import type { System as Facts } from "../../api/types";
import { bytes, seconds } from "../../components/format";
import { explain, notifyError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Amount } from "./Amount";
import { Facts as FactList, Panel } from "./Panel";
import classes from "./System.module.css";

/** What the server runs on, and how it is. */
export default function System() {
  const { t } = useTranslation("system");
  const { data: system, error } = useSystem();
  return (
    <Page title={t("title")} about={t("about")}>
      {error && <Alert color="red">{explain(error)}</Alert>}
      {!system && !error && <Loader size="sm" aria-label={t("reading")} />}
      {system && (
        <div className={classes.grid}>
          <Devices devices={system.devices} />
          <Memory system={system} />
          <Cache cache={system.cache} />
          <Panel title={t("about_server")}>
            <FactList
              facts={[
                ["inkbloom", system.version],
                ["PyTorch", system.torch],
                ["Python", system.python],
                [t("platform"), system.platform],
                [t("uptime"), seconds(system.uptime)],
                [t("dataDir"), system.data_dir],
                [t("modelsDir"), system.models_dir],
              ]}
            />
          </Panel>
          <Links />
        </div>
      )}
    </Page>
  );
}

const COLORS: Record<string, string> = { ready: "green", working: "blue", starting: "gray", failed: "red", stopped: "gray" };

function Devices({ devices }: { devices: Facts["devices"] }) {
  const { t } = useTranslation("system");
  return (
    <Panel title={t("devices")}>
      <Stack gap="sm">
        {devices.map(({ name, dtype, state, reason }) => (
          <div key={name}>
            <Group gap="xs">
              <Text fw={600} size="sm">
                {name}
              </Text>
              <Badge variant="light" color={COLORS[state]} tt="none">
                {t(`state.${state}`, { defaultValue: state })}
              </Badge>
              <Text size="sm" c="dimmed">
                {dtype}
              </Text>
            </Group>
            {reason && (
              <Text size="sm" c="var(--mantine-color-error)">
                {reason}
              </Text>
            )}
          </div>
        ))}
      </Stack>
    </Panel>
  );
}

function Memory({ system: { memory, disk } }: { system: Facts }) {
  const { t } = useTranslation("system");
  const { free, total } = memory.ram;
  return (
    <Panel title={t("memory")}>
      <Stack gap="sm">
        {total !== null && <Amount label={t("ram")} used={total - (free ?? 0)} total={total} />}
        {Object.entries(memory.gpu).map(([name, size]) => (
          <Text key={name} size="sm">
            {t("gpu", { name, size: bytes(size) })}
          </Text>
        ))}
        <Amount label={t("disk")} used={disk.total - disk.free} total={disk.total} />
      </Stack>
    </Panel>
  );
}

function Cache({ cache }: { cache: Facts["cache"] }) {
  const { t } = useTranslation("system");
  const unload = useMutation({ mutationFn: () => api.post<undefined>("/models/unload"), onError: notifyError });
  return (
    <Panel title={t("cache")}>
      <Stack gap="sm">
        <Amount label={t("cached")} used={cache.bytes} total={cache.budget} />
        {cache.loaded.map(({ name, bytes: size }, i) => (
          <Group key={i} justify="space-between">
            <Text size="sm">{name}</Text>
            <Text size="sm" c="dimmed">
              {bytes(size)}
            </Text>
          </Group>
        ))}
        <Button
          variant="default"
          size="compact-sm"
          w="fit-content"
          disabled={cache.loaded.length === 0}
          loading={unload.isPending}
          onClick={() => unload.mutate()}
        >
          {t("unload")}
        </Button>
      </Stack>
    </Panel>
  );
}

const LINKS = { openapi: "openapi.json", metrics: "metrics", health: "healthz" } as const;

function Links() {
  const { t } = useTranslation("system");
  return (
    <Panel title={t("links")}>
      <Text size="sm" c="dimmed" mb="xs">
        {t("linksAbout")}
      </Text>
      <Stack gap={4}>
        {Object.entries(LINKS).map(([name, path]) => (
          <Anchor key={name} href={path} target="_blank" rel="noreferrer" size="sm">
            {`${t(`link.${name}`)} (/${path})`}
          </Anchor>
        ))}
      </Stack>
    </Panel>
  );
}
