/** The host that shows the page: what it can do, its colours, its language, and the room that it gives. */
import type { McpUiHostCapabilities, McpUiHostContext } from '@modelcontextprotocol/ext-apps';
import { signal } from '@preact/signals';
import { notify, on, request } from './bridge';

export const abilities = signal<McpUiHostCapabilities>({});
export const locale = signal<string | undefined>(undefined);
export const timeZone = signal<string | undefined>(undefined);
export const isFullscreen = signal(false);
export const canBeFullscreen = signal(false);
/** The tool whose answer the page shows, where the host says it. */
export const toolName = signal<string | undefined>(undefined);

const PROTOCOL = '2026-01-26';
/** What hosts ask a page to stay within, in CSS pixels. */
const MAX_INLINE_HEIGHT = 500;
const root = document.documentElement;

export async function connect(): Promise<void> {
  on('ui/notifications/host-context-changed', apply);
  on('ui/resource-teardown', () => undefined);
  const answer = await request('ui/initialize', {
    appInfo: { name: 'gpt-image-2-studio', title: 'Studio', version: '1' },
    appCapabilities: { availableDisplayModes: ['inline', 'fullscreen'] },
    protocolVersion: PROTOCOL,
  });
  abilities.value = answer.hostCapabilities ?? {};
  apply(answer.hostContext ?? {});
  notify('ui/notifications/initialized', {});
  watchSize();
}

/** Take over what a host tells; a part that it leaves out stays as it is. */
function apply(context: McpUiHostContext): void {
  if (context.theme) {
    // The host's colours may be written with `light-dark()`, as ours are, which follows this.
    root.style.colorScheme = context.theme;
  }
  for (const [name, value] of Object.entries(context.styles?.variables ?? {})) {
    if (value && name.startsWith('--')) root.style.setProperty(name, value);
  }
  setPlace(context.locale ?? locale.value, context.timeZone ?? timeZone.value);
  if (context.toolInfo) toolName.value = context.toolInfo.tool.name;
  if (context.availableDisplayModes) canBeFullscreen.value = context.availableDisplayModes.length > 1 && context.availableDisplayModes.includes('fullscreen');
  if (context.displayMode) setMode(context.displayMode);
  const room = context.containerDimensions as { height?: number; maxHeight?: number } | undefined;
  const limit = room?.height ?? room?.maxHeight;
  if (limit) root.style.setProperty('--limit', `${Math.min(limit, MAX_INLINE_HEIGHT)}px`);
  const insets = context.safeAreaInsets;
  if (insets) {
    root.style.setProperty('--inset', `${insets.top}px ${insets.right}px ${insets.bottom}px ${insets.left}px`);
  }
}

function setPlace(language: string | undefined, zone: string | undefined): void {
  try {
    new Intl.DateTimeFormat(language, { timeZone: zone });
    locale.value = language;
    timeZone.value = zone;
  } catch {
    // This browser does not know one of them: its own stay.
  }
}

function setMode(mode: string): void {
  isFullscreen.value = mode === 'fullscreen';
  root.classList.toggle('full', isFullscreen.value);
}

/** Ask for the whole window, or to go back into the chat; the host decides. */
export async function toggleFullscreen(): Promise<void> {
  const answer = await request('ui/request-display-mode', { mode: isFullscreen.value ? 'inline' : 'fullscreen' });
  setMode(answer.mode);
}

/** Tell the host how high the page is whenever that changes. */
function watchSize(): void {
  let last = 0;
  const tell = (): void => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height === last || isFullscreen.value) return;
    last = height;
    notify('ui/notifications/size-changed', { width: innerWidth, height });
  };
  new ResizeObserver(tell).observe(document.body);
  isFullscreen.subscribe(() => {
    last = 0;
  });
}

let canTell = true;
const told = new Map<'made' | 'shown', string>();

/** Tell the model silently what the person did. Each message replaces the last one, so both parts are sent together. */
export function tellModel(part: 'made' | 'shown', text: string): void {
  if (!canTell || told.get(part) === text) return;
  told.set(part, text);
  request('ui/update-model-context', { content: [{ type: 'text', text: [...told.values()].join('\n') }] }).catch(() => {
    // The host cannot; the tools' answers say the same when the model calls them next.
    canTell = false;
  });
}
