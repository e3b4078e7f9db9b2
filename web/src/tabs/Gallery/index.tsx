import { Alert, Button, Center, Loader, Stack, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconBrush } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { explain } from "../../components/notify";
import { useNavigation } from "../../state/navigation";
import { openViewer } from "../../viewer";
import { ConfirmDelete } from "../../viewer/ConfirmDelete";
import { countOf, filtersOf } from "./filters";
import classes from "./Gallery.module.css";
import { Grid } from "./Grid";
import { SearchBar } from "./SearchBar";
import type { Selection } from "./selection";
import { SelectionBar } from "./SelectionBar";
import { useGallery } from "./state";
import { usePages } from "./usePages";

const TYPING = 250; // ms without a key before it is searched

export default function Gallery() {
  const { t } = useTranslation("gallery");
  const { params, go } = useNavigation();
  const { filters, change } = useGallery();
  const [selection, setSelection] = useState<Selection>(new Map());
  const [deleting, setDeleting] = useState(false);
  const [asked] = useDebouncedValue(filters, TYPING);
  const { pictures, total, isPending, error, hasNextPage, isFetchingNextPage, fetchNextPage } = usePages(asked);

  // Who comes here with an address that says what to look for gets just that.
  useEffect(() => {
    if (Object.keys(params).length) change(filtersOf(params));
  }, [params, change]);

  const searching = filters.q !== "" || filters.favourite || countOf(filters) > 0;
  return (
    <div className={classes.page}>
      <Title order={1} className={classes.title}>
        {t("title")}
      </Title>
      <SearchBar filters={filters} total={total} onChange={change} />
      {error && (
        <Alert color="red" mb="md">
          {explain(error)}
        </Alert>
      )}
      {isPending && !error && (
        <Center h="40vh">
          <Loader aria-label={t("loading")} />
        </Center>
      )}
      {!isPending && !error && pictures.length === 0 && (
        <Center h="40vh">
          <Stack align="center" gap="xs">
            <Text c="dimmed">{t(searching ? "nothing" : "empty")}</Text>
            {!searching && (
              <Button variant="light" leftSection={<IconBrush size={16} aria-hidden />} onClick={() => go("paint")}>
                {t("paintFirst")}
              </Button>
            )}
          </Stack>
        </Center>
      )}
      <Grid
        pictures={pictures}
        selection={selection}
        onSelect={setSelection}
        onOpen={(index) => openViewer(pictures, index)}
        onDelete={(picture) => {
          // A picture that is not among the chosen ones is meant alone.
          if (!selection.has(picture.id)) setSelection(new Map([[picture.id, picture]]));
          setDeleting(true);
        }}
        onEnd={() => {
          if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
        }}
      />
      {isFetchingNextPage && (
        <Center p="md">
          <Loader size="sm" aria-label={t("loading")} />
        </Center>
      )}
      {selection.size > 0 && (
        <SelectionBar
          selection={selection}
          onAll={() => setSelection(new Map(pictures.map((picture) => [picture.id, picture])))}
          onClear={() => setSelection(new Map())}
          onDelete={() => setDeleting(true)}
        />
      )}
      <ConfirmDelete
        pictures={deleting ? [...selection.values()] : []}
        onClose={() => setDeleting(false)}
        onDeleted={() => setSelection(new Map())}
      />
    </div>
  );
}
