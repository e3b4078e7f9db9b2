import { AppShell, Box, Center, Drawer, Group, Loader, MantineProvider } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { Suspense, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { listen } from "./api/events";
import { GlobalDrop } from "./drop";
import { BottomBar } from "./shell/BottomBar";
import { ErrorBoundary } from "./shell/ErrorBoundary";
import { Header } from "./shell/Header";
import { Rail } from "./shell/Rail";
import { useNavigation } from "./state/navigation";
import { usePreferences } from "./state/preferences";
import { tabs } from "./tabs";
import { theme, variables } from "./theme";
import { ViewerHost } from "./viewer";

export function App() {
  const scheme = usePreferences((preferences) => preferences.theme);
  const queries = useQueryClient();
  useEffect(() => listen(queries), [queries]);
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      forceColorScheme={scheme === "auto" ? undefined : scheme}
    >
      <Notifications position="bottom-right" />
      <Studio />
      <ViewerHost />
      <GlobalDrop />
    </MantineProvider>
  );
}

function Studio() {
  const { t } = useTranslation();
  const tab = useNavigation((navigation) => navigation.tab);
  const [menu, { open, close }] = useDisclosure();
  const Room = tabs.find(({ id }) => id === tab)?.component;
  useEffect(() => {
    document.title = `${t(`tabs.${tab}`)} · inkbloom`;
    close();
  }, [tab, t, close]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 84, breakpoint: "sm", collapsed: { mobile: true } }}
      footer={{ height: { base: 58, sm: 0 } }}
      padding={0}
    >
      <AppShell.Header>
        <Header />
      </AppShell.Header>
      <AppShell.Navbar>
        <Rail />
      </AppShell.Navbar>
      <AppShell.Main>
        <ErrorBoundary key={tab}>
          <Suspense fallback={<Waiting />}>{Room && <Room />}</Suspense>
        </ErrorBoundary>
      </AppShell.Main>
      <AppShell.Footer hiddenFrom="sm">
        <BottomBar onMore={open} />
      </AppShell.Footer>
      <Drawer
        opened={menu}
        onClose={close}
        position="bottom"
        size={280}
        title={t("allRooms")}
        closeButtonProps={{ "aria-label": t("close") }}
      >
        <Box pb="md">
          <Rail wide />
        </Box>
      </Drawer>
    </AppShell>
  );
}

function Waiting() {
  return (
    <Center h="60vh">
      <Group>
        <Loader size="sm" />
      </Group>
    </Center>
  );
}
