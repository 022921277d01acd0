// The few pictures that the pages need, on a 16-pixel grid in the colour of the text.
import type { ReactNode } from 'react';

const icon = (drawing: ReactNode) => function Icon({ size = 16 }: { size?: number }) {
  return (
    <svg
      width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false" fill="none"
      stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round"
    >
      {drawing}
    </svg>
  );
};

export const SunIcon = icon(
  <>
    <circle cx="8" cy="8" r="2.75" />
    <path d="M8 1.5v1.25M8 13.25v1.25M1.5 8h1.25M13.25 8h1.25M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />
  </>,
);
export const MoonIcon = icon(<path d="M13.5 9.6A5.75 5.75 0 0 1 6.4 2.5a5.75 5.75 0 1 0 7.1 7.1z" />);
export const InfoIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 7.4v3.4M8 5.2v.01" />
  </>,
);
export const PauseIcon = icon(<path d="M5.5 3.5v9M10.5 3.5v9" />);
export const PlayIcon = icon(<path d="M5 3.2v9.6L12.4 8z" />);
export const CloseIcon = icon(<path d="M4 4l8 8M12 4l-8 8" />);
export const KeyboardIcon = icon(
  <>
    <rect x="1.5" y="4" width="13" height="8.5" rx="1.5" />
    <path d="M4.2 6.8h.01M6.7 6.8h.01M9.3 6.8h.01M11.8 6.8h.01M5 9.8h6" />
  </>,
);
export const ExitIcon = icon(<path d="M6.5 2.5h-3v11h3M7 8h6.5M11 5.5 13.5 8 11 10.5" />);
export const MenuIcon = icon(<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />);
export const SearchIcon = icon(
  <>
    <circle cx="7" cy="7" r="4.25" />
    <path d="m10.2 10.2 3.3 3.3" />
  </>,
);
export const OverviewIcon = icon(<path d="M2.5 2.5h4.4v6H2.5zM9.1 2.5h4.4v3.3H9.1zM9.1 8h4.4v5.5H9.1zM2.5 10.7h4.4v2.8H2.5z" />);
export const TrafficIcon = icon(<path d="M1.5 5.2h11M9.8 2.5l2.7 2.7-2.7 2.7M14.5 10.8h-11M6.2 8.1l-2.7 2.7 2.7 2.7" />);
export const ConnectionsIcon = icon(
  <>
    <circle cx="3.4" cy="8" r="1.9" />
    <circle cx="12.6" cy="3.6" r="1.9" />
    <circle cx="12.6" cy="12.4" r="1.9" />
    <path d="m5.1 7.2 5.8-2.8M5.1 8.8l5.8 2.8" />
  </>,
);
export const FindingsIcon = icon(
  <>
    <circle cx="7" cy="7" r="4.75" />
    <path d="m10.5 10.5 3.2 3.2M5.2 7h3.6M7 5.2v3.6" />
  </>,
);
export const AlertsIcon = icon(<path d="M3.2 11.5c1-1 1.2-2 1.2-4.3a3.6 3.6 0 0 1 7.2 0c0 2.3.2 3.3 1.2 4.3zM6.7 13.6h2.6" />);
export const ProbesIcon = icon(
  <>
    <circle cx="8" cy="8" r="5.75" />
    <circle cx="8" cy="8" r="2.25" />
    <path d="M8 .9v2.7M8 12.4v2.7M.9 8h2.7M12.4 8h2.7" />
  </>,
);
export const LimitsIcon = icon(<path d="M2.3 12a6.5 6.5 0 1 1 11.4 0M8 9.5l3-3.7" />);
export const SystemIcon = icon(<path d="M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01" />);
export const TestIcon = icon(<path d="M6 2v4.2L2.7 12a1.2 1.2 0 0 0 1 1.9h8.6a1.2 1.2 0 0 0 1-1.9L10 6.2V2M4.9 2h6.2M4.5 9.5h7" />);
export const WarnIcon = icon(<path d="M8 2.2 14.3 13H1.7zM8 6.6v3M8 11.3v.01" />);

export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 22 22" aria-hidden="true" focusable="false">
      <path
        d="M1 12h4.4l2.3-6 3.6 11 2.5-7.4 1.2 2.4H21" fill="none" stroke="var(--hl-pulse)" strokeWidth="2"
        strokeLinecap="round" strokeLinejoin="round"
      />
    </svg>
  );
}
