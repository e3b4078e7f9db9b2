import { Center, Image, Loader, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import type { ControlUnit } from "../api/types";
import { explain } from "../components/notify";

const PAUSE = 300; // milliseconds after a slider was moved

/** What the preprocessor makes of the unit's picture, as the settings are now. */
export function ProcessedPicture({ unit }: { unit: ControlUnit }) {
  const { t } = useTranslation("control");
  const { preprocessor, image, threshold_a = null, threshold_b = null, resolution = null } = unit;
  const question = JSON.stringify({ preprocessor, image, threshold_a, threshold_b, resolution });
  const [asked] = useDebouncedValue(question, PAUSE);
  const { data, error, isFetching } = useQuery({
    queryKey: ["preprocess", asked],
    queryFn: ({ signal }) => api.blob("/preprocess", JSON.parse(asked), signal),
    staleTime: Infinity,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const url = useObjectUrl(data);
  if (error) {
    return (
      <Text size="sm" c="red" role="alert">
        {explain(error)}
      </Text>
    );
  }
  return url ? (
    <Image src={url} alt={t("processed")} mah={200} w="auto" fit="contain" mx="auto" opacity={isFetching ? 0.5 : 1} />
  ) : (
    <Center h={80}>
      <Loader size="sm" />
    </Center>
  );
}

function useObjectUrl(blob: Blob | undefined): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (blob === undefined) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
}
