/** Fireside's mark: a flame over two logs. Drawn in the colour of the text around it. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className ?? "size-7"} fill="none" aria-hidden>
      <path
        d="M16.6 3.5c.5 3.6-1 5.6-2.9 7.9-1.9 2.2-4 4.6-4 8A6.3 6.3 0 0 0 16 25.6a6.3 6.3 0 0 0 6.3-6.200c0-2.3-.9-3.900-1.900-5.300-.4 1.500-1.200 2.600-2.400 3.200.7-3.600 1-9.700-1.400-13.800Z"
        fill="currentColor"
      />
      <path
        d="M16.100 16.9c.2 1.900-2.3 2.900-2.300 5.200a2.200 2.200 0 0 0 4.500 0c0-2-1.100-3.700-2.200-5.200Z"
        fill="var(--fs-canvas)"
        fillOpacity="0.85"
      />
      <path
        d="m6 25.200 20 3.600M26 25.200 6 28.800"
        stroke="currentColor"
        strokeWidth="2.3"
        strokeLinecap="round"
      />
    </svg>
  );
}
