import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

/** The one accent: ink thinned with water, from a wash to the undiluted. */
const ink: MantineColorsTuple = [
  "#eef4fb", "#dce6f3", "#b5cae6", "#8bacd9", "#6893ce", "#5183c7", "#3f73b9", "#2f5d9e", "#26508c", "#1a427b",
];

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 7, dark: 6 },
  colors: { ink },
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  fontFamily: 'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
  headings: { fontWeight: "600" },
});

/** Quiet words, and placeholders that say a default, are still to be read: each at least 4.5 : 1 on its ground. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#636b74",
    "--mantine-color-placeholder": "#6c747d",
    "--mantine-color-error": "#c92a2a",
    "--mantine-color-green-light-color": "#20692e",
  },
  dark: {
    "--mantine-color-dimmed": "#a3a3a3",
    "--mantine-color-placeholder": "#9d9d9d",
    "--mantine-color-error": "#ff8787",
    "--mantine-color-anchor": "var(--mantine-color-ink-3)",
  },
});
