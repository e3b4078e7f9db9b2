import { ActionIcon, Badge, Button, Code, Collapse, Group, Popover, Text, TextInput, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconAdjustmentsHorizontal,
  IconHelpCircle,
  IconSearch,
  IconSortAscending,
  IconSortDescending,
  IconStar,
  IconStarFilled,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { FilterFields } from "./FilterFields";
import { countOf, type Filters } from "./filters";

interface SearchBarProps {
  filters: Filters;
  total: number;
  onChange: (filters: Partial<Filters>) => void;
}

/** Examples of words that search one field alone. */
const EXAMPLES = ["seed:42", "steps:20", "width:>512", "model:starter", "sampler:euler"];

export function SearchBar({ filters, total, onChange }: SearchBarProps) {
  const { t } = useTranslation("gallery");
  const [open, { toggle }] = useDisclosure(false);
  const used = countOf(filters);
  const newest = filters.order === "newest";
  return (
    <search>
      <Group gap="xs" mb="xs">
        <TextInput
          flex={{ base: "1 1 100%", sm: "1 1 14rem" }}
          type="search"
          value={filters.q}
          placeholder={t("search")}
          aria-label={t("search")}
          leftSection={<IconSearch size={16} aria-hidden />}
          rightSection={<Hints onPick={(word) => onChange({ q: `${filters.q} ${word}`.trim() })} />}
          onChange={(event) => onChange({ q: event.currentTarget.value })}
        />
        <Tooltip label={t("favourites")}>
          <ActionIcon
            size="lg"
            variant={filters.favourite ? "light" : "default"}
            aria-label={t("favourites")}
            aria-pressed={filters.favourite}
            onClick={() => onChange({ favourite: !filters.favourite })}
          >
            {filters.favourite ? <IconStarFilled size={18} /> : <IconStar size={18} />}
          </ActionIcon>
        </Tooltip>
        <Tooltip label={t(newest ? "newest" : "oldest")}>
          <ActionIcon
            size="lg"
            variant="default"
            aria-label={t(newest ? "newest" : "oldest")}
            onClick={() => onChange({ order: newest ? "oldest" : "newest" })}
          >
            {newest ? <IconSortDescending size={18} /> : <IconSortAscending size={18} />}
          </ActionIcon>
        </Tooltip>
        <Button
          variant={used ? "light" : "default"}
          leftSection={<IconAdjustmentsHorizontal size={18} aria-hidden />}
          rightSection={used ? <Badge circle>{used}</Badge> : undefined}
          aria-expanded={open}
          onClick={toggle}
        >
          {t("filters")}
        </Button>
      </Group>
      <Collapse expanded={open}>
        <FilterFields filters={filters} onChange={onChange} />
      </Collapse>
      <Text size="sm" c="dimmed" mb="sm" aria-live="polite">
        {t("count", { count: total })}
      </Text>
    </search>
  );
}

function Hints({ onPick }: { onPick: (word: string) => void }) {
  const { t } = useTranslation("gallery");
  return (
    <Popover position="bottom-end" width={300} withArrow>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t("hints")}>
          <IconHelpCircle size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown>
        <Text size="sm" mb="xs">
          {t("hintText")}
        </Text>
        <Group gap={6}>
          {EXAMPLES.map((word) => (
            <Button key={word} size="compact-xs" variant="default" onClick={() => onPick(word)}>
              <Code bg="transparent">{word}</Code>
            </Button>
          ))}
        </Group>
      </Popover.Dropdown>
    </Popover>
  );
}
