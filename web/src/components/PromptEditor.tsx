import { Button, Paper, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useId, useLayoutEffect, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { useModels, useWildcards } from "../api/queries";
import type { Completion } from "../api/types";
import { Field } from "./Field";
import classes from "./PromptEditor.module.css";
import { highlight, type KnownNames, type Segment } from "./prompt/highlight";
import { complete, emphasise, fragmentAt, type Edit } from "./prompt/writing";

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  dialect?: string;
  rows?: number;
  /** Tokens of the text, and how many fit into its chunks; a click on them inspects. */
  tokens?: { used: number; room: number };
  onInspect?: () => void;
  /** A style was chosen among the names: it goes around the prompt, not into it. Without this none are offered. */
  onStyle?: (name: string) => void;
}

/** A text field for prompts: coloured by weight, and completing names. */
export function PromptEditor({ label, value, onChange, dialect = "a1111", rows = 3, tokens, onStyle, ...rest }: Props) {
  const { t } = useTranslation();
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const selection = useRef<Edit | null>(null);
  const [caret, setCaret] = useState<number | null>(null);
  const [chosen, setChosen] = useState(0);
  const known = useKnownNames();
  const segments = useMemo(() => highlight(value, dialect, known), [value, dialect, known]);
  const fragment = caret === null || dialect === "plain" ? null : fragmentAt(value, caret);
  const offered = useCompletions(fragment?.name ?? null, fragment?.kind ?? null);
  const items = onStyle ? offered : offered.filter((item) => item.kind !== "style");
  const shown = fragment !== null && items.length > 0;

  // React sets the text, and with it the caret to the end; where an edit wants it, it is set after that.
  useLayoutEffect(() => {
    const edit = selection.current;
    if (edit?.text === value) area.current?.setSelectionRange(edit.start, edit.end);
    selection.current = null;
  }, [value]);

  const apply = (edit: Edit) => {
    selection.current = edit;
    setCaret(null);
    onChange(edit.text);
  };
  const take = (item: Completion | undefined) => {
    if (item && fragment && caret !== null) {
      const style = item.kind === "style";
      apply(complete(value, caret, fragment, style ? "" : item.insert));
      if (style) onStyle?.(item.name);
    }
    area.current?.focus();
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const { selectionStart, selectionEnd } = event.currentTarget;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.nativeEvent.isComposing) return; // the keys belong to the input method
    if (move && (event.ctrlKey || event.metaKey)) apply(emphasise(value, selectionStart, selectionEnd, -0.1 * move));
    else if (!shown || event.ctrlKey || event.metaKey) return;
    else if (move) setChosen((chosen + move + items.length) % items.length);
    else if (event.key === "Enter" || event.key === "Tab") take(items[chosen]);
    else if (event.key === "Escape") setCaret(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <Field label={label} id={id} aside={tokens && <Counter {...tokens} onClick={rest.onInspect} />}>
      <div className={classes.editor}>
        <pre className={classes.backdrop} aria-hidden style={{ minHeight: `calc(${rows} * 1.55 * 15px + 20px)` }}>
          {segments.map((segment, i) => (
            <Run key={i} {...segment} />
          ))}
          {/* a last line that is empty has a height only with something on it */}
          {"\u200b"}
        </pre>
        <textarea
          ref={area}
          id={id}
          className={classes.text}
          rows={rows}
          value={value}
          placeholder={rest.placeholder}
          spellCheck={false}
          aria-controls={shown ? `${id}-names` : undefined}
          aria-autocomplete="list"
          aria-activedescendant={shown ? `${id}-${chosen}` : undefined}
          onChange={(event) => {
            onChange(event.currentTarget.value);
            setCaret(event.currentTarget.selectionStart);
            setChosen(0);
          }}
          onKeyDown={press}
          onBlur={() => setCaret(null)}
        />
        {shown && (
          <Paper
            id={`${id}-names`}
            className={classes.popup}
            shadow="md"
            withBorder
            role="listbox"
            aria-label={t("names")}
          >
            {items.map((item, i) => (
              <div
                key={`${item.kind}:${item.name}`}
                id={`${id}-${i}`}
                className={classes.option}
                role="option"
                aria-selected={i === chosen}
                onMouseDown={(event) => (event.preventDefault(), take(item))}
              >
                <Text size="sm">{item.name}</Text>
                <Text size="xs" c="dimmed">
                  {t(`kind.${item.kind}`)}
                </Text>
              </div>
            ))}
          </Paper>
        )}
      </div>
    </Field>
  );
}

function Counter({ used, room, onClick }: { used: number; room: number; onClick?: () => void }) {
  const { t } = useTranslation();
  return (
    <Button
      variant="subtle"
      color="gray"
      size="compact-xs"
      onClick={onClick}
      aria-label={t("tokensOf", { used, room })}
    >
      {used}/{room}
    </Button>
  );
}

function Run({ text, kind, weight, wrong }: Segment) {
  const colour = kind !== "text" ? classes[kind] : weight > 1 ? classes.stronger : weight < 1 ? classes.weaker : "";
  const amount = `${Math.min(65, 12 + 60 * Math.abs(Math.log(Math.max(weight, 0.1))))}%`;
  const style = { "--amount": amount } as CSSProperties; // its type knows no variables
  return (
    <span className={[colour, wrong && classes.wrong].filter(Boolean).join(" ")} style={style}>
      {text}
    </span>
  );
}

/** Null until all are known, so that nothing is called unknown too early. */
function useKnownNames(): KnownNames | null {
  const { data: loras } = useModels("loras");
  const { data: hypernets } = useModels("hypernetworks");
  const { data: wildcards } = useWildcards();
  return useMemo(() => {
    if (!loras || !hypernets || !wildcards) return null;
    const names = (cards: { name: string }[]) => new Set(cards.map((card) => card.name));
    return { lora: names(loras), hypernet: names(hypernets), wildcard: new Set(wildcards) };
  }, [loras, hypernets, wildcards]);
}

/** What the server offers for a name that is begun. */
function useCompletions(name: string | null, kind: string | null): Completion[] {
  const [text] = useDebouncedValue(name, 120);
  const { data } = useQuery({
    queryKey: ["completions", text],
    queryFn: ({ signal }) => api.get<{ items: Completion[] }>("/prompts/complete", { text }, signal),
    enabled: text !== null,
    staleTime: 30_000,
    retry: false,
  });
  if (name === null || text !== name) return [];
  return (data?.items ?? []).filter((item) => (kind ? item.kind === kind : true)).slice(0, 30);
}
