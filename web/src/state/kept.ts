// A room's form, kept as the draft is: each browser tab its own, a new one begins with the newest.

import { create, type StoreApi, type UseBoundStore } from "zustand";
import { createJSONStorage, persist } from "zustand/middleware";

export interface Form<T> {
  form: T;
  set: (fields: Partial<T>) => void;
}

const storage = {
  getItem: (name: string) => sessionStorage.getItem(name) ?? localStorage.getItem(name),
  setItem: (name: string, value: string) => {
    sessionStorage.setItem(name, value);
    localStorage.setItem(name, value);
  },
  removeItem: (name: string) => {
    sessionStorage.removeItem(name);
    localStorage.removeItem(name);
  },
};

export function keptForm<T extends object>(name: string, initial: T): UseBoundStore<StoreApi<Form<T>>> {
  return create<Form<T>>()(
    persist(
      (set) => ({
        form: initial,
        set: (fields) => set(({ form }) => ({ form: { ...form, ...fields } })),
      }),
      {
        name: `inkbloom.${name}`,
        storage: createJSONStorage(() => storage),
        // A field that is new in this version has its default.
        merge: (kept, now) => ({ ...now, form: { ...now.form, ...(kept as Partial<Form<T>> | undefined)?.form } }),
      },
    ),
  );
}
