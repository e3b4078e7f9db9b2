import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

/** A picture that lies only in the browser yet. */
export function FilePicture({ file, className }: { file: File; className?: string }) {
  const { t } = useTranslation("info");
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return url ? <img src={url} alt={file.name || t("drop.picture")} className={className} /> : null;
}
