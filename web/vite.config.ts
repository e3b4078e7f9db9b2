import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

// The built page lies inside the Python package, so that who installs that needs no Node. Paths in it are relative: it
// works under any prefix of a proxy.
export default defineConfig(({ mode }) => {
  // `npm run dev` asks a running `inkbloom serve`.
  const target = loadEnv(mode, ".", "INKBLOOM_")["INKBLOOM_SERVER"] ?? "http://127.0.0.1:7860";
  // The server wants requests to come from the page of the host they name.
  const server = { target, changeOrigin: false };
  return {
    base: "./",
    plugins: [react()],
    build: {
      outDir: "../src/inkbloom/apps/web/dist",
      emptyOutDir: true,
      sourcemap: false,
      target: "es2022",
      // Those that know light-dark(); for older ones it would be rewritten into variables that nothing sets.
      cssTarget: ["chrome123", "firefox120", "safari17.5"],
      chunkSizeWarningLimit: 700,
    },
    server: {
      proxy: Object.fromEntries(["/api", "/openapi.json", "/metrics", "/healthz"].map((path) => [path, server])),
    },
    test: { environment: "node", include: ["src/**/*.test.ts"] },
  };
});
