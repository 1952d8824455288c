/** The symbols on buttons that have no room for words. Each button has its words as its title, which screen readers read. */
const PATHS = {
  brush: 'M14 3l3 3-8 8-4 1 1-4zM4 18h6',
  eraser: 'M8 17h9M4.500 12.500l7-7 5 5-6.500 6.500H7z',
  box: 'M4 5h12v10H4z',
  undo: 'M8 5L4 9l4 4M4 9h8a4 4 0 010 8H9',
  invert: 'M10 4a6 6 0 100 12zM10 4a6 6 0 010 12',
  clear: 'M5 6h10M8 6V4h4v2M6 6l1 11h6l1-11',
  plus: 'M10 5v10M5 10h10',
  minus: 'M5 10h10',
  larger: 'M11 4h5v5M9 16H4v-5M16 4l-5 5M4 16l5-5',
  smaller: 'M16 9h-5V4M4 11h5v5M11 9l5-5M9 11l-5 5',
  save: 'M10 4v8M6.500 9L10 12.500 13.500 9M4 16h12',
  export: 'M10 12V4M6.500 7L10 3.500 13.500 7M4 11v5h12v-5',
  close: 'M5 5l10 10M15 5L5 15',
  check: 'M4 10.500l4 4 8-9',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  /** Beside the label in the tooltip, such as a key. */
  hint?: string;
  isPressed?: boolean;
  isDisabled?: boolean;
  onClick: () => void;
}

export function IconButton({ icon, label, hint, isPressed, isDisabled, onClick }: IconButtonProps) {
  return (
    <button
     
      class="icon-button"
      title={hint ? `${label} (${hint})` : label}
      aria-pressed={isPressed}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
