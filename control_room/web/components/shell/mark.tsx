/** The product's mark: water levels on a panel. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 24 24" className={className} aria-hidden="true">
      <rect x="1.5" y="1.5" width="21" height="21" rx="5" fill="currentColor" />
      <g className="stroke-card" fill="none" strokeWidth="1.8" strokeLinecap="round">
        <path d="M6 8.5h12" />
        <path d="M6 12.5c2-1.6 4-1.6 6 0s4 1.6 6 0" />
        <path d="M6 16.5c2-1.6 4-1.6 6 0s4 1.6 6 0" />
      </g>
    </svg>
  );
}
