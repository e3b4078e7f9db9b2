/** A drop of ink with a light on it. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path
        d="M16 2.5c4.6 6.2 9.5 11.4 9.5 17.2a9.5 9.5 0 0 1-19 0C6.5 13.9 11.4 8.7 16 2.5z"
        fill="var(--mantine-primary-color-filled)"
      />
      <path
        d="M11 20.5a5.2 5.2 0 0 0 4 5"
        fill="none"
        stroke="#fff"
        strokeWidth="1.8"
        strokeLinecap="round"
        opacity=".8"
      />
    </svg>
  );
}
