/** What the page knows and shows, as signals. It is asked for anew before each action: other chats change it too. */
import { computed, signal } from '@preact/signals';
import { ask, type Opened, type Picture, type Session, type Start } from './server';

export type View = 'look' | 'compare' | 'mask' | 'drafts' | 'library' | 'export';

export const view = signal<View>('look');
export const pictures = signal<ReadonlyMap<string, Picture>>(new Map());
export const session = signal<Session | null>(null);
/** The pictures of the call that is shown, numbered from 1. */
export const sheet = signal<readonly string[]>([]);
export const shownId = signal<string | null>(null);
/** The picture that the shown one is compared with. */
export const beforeId = signal<string | null>(null);
/** What went wrong last, for the person. */
export const problem = signal<string | null>(null);
/** What was done last, for a moment. */
export const notice = signal('');
/** The words of the call whose answer the page waits for; null where it waits for none. */
export const awaited = signal<string | null>(null);
/** False where the client does not let the page call the server: then there is only the picture of the chat's answer. */
export const isConnected = signal(true);

export const shown = computed(() => (shownId.value ? pictures.value.get(shownId.value) : undefined));
export const before = computed(() => (beforeId.value ? pictures.value.get(beforeId.value) : undefined));

export function remember(found: readonly Picture[]): void {
  pictures.value = new Map([...pictures.value, ...found.map((each) => [each.id, each] as const)]);
}

async function read(ids: readonly string[], sessionId?: string | null): Promise<Opened> {
  const opened = await ask('open', { pictures: [...ids], session: sessionId ?? null });
  remember(opened.pictures);
  session.value = opened.session;
  return opened;
}

/** Show pictures with their session; without ids the newest of all. */
export async function open(ids: readonly string[], sessionId?: string | null): Promise<Opened> {
  const opened = await read(ids, sessionId);
  sheet.value = opened.sheet;
  shownId.value = opened.shown;
  beforeId.value = opened.before;
  problem.value = null;
  return opened;
}

/** Read the session again, and keep what is shown. */
export async function refresh(): Promise<void> {
  if (shownId.value) await read([shownId.value], session.value?.id);
}

/** Where an edit of the shown picture starts: at its turn where it is part of the session, otherwise at the picture. */
export function startOf(id: string): Start {
  const current = session.value;
  const turn = current?.turns.find((each) => each.picture === id);
  if (current && turn) return { session: current.id, from_turn: turn.number };
  if (current && current.origin === id) return { session: current.id, from_turn: 0 };
  return { picture: id };
}

/** What a picture was made from, as far as it is known. */
export function parentOf(id: string): string | null {
  const current = session.value;
  const turn = current?.turns.find((each) => each.picture === id);
  if (current && turn) {
    return current.turns.find((each) => each.number === turn.parent)?.picture ?? current.origin;
  }
  return pictures.value.get(id)?.parents[0] ?? null;
}

/** Show another picture that is known, with what it was made from. */
export function show(id: string): void {
  shownId.value = id;
  beforeId.value = parentOf(id);
  if (view.value === 'compare' && !beforeId.value) view.value = 'look';
}

/** What to tell the person about something that went wrong. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const MOMENT_MS = 6000;
let timer = 0;

/** Tell the person what was done. */
export function say(text: string): void {
  notice.value = text;
  clearTimeout(timer);
  timer = window.setTimeout(() => (notice.value = ''), MOMENT_MS);
}

/** Run something for the person; what goes wrong is shown. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  problem.value = null;
  try {
    await work();
  } catch (error) {
    problem.value = messageOf(error);
  }
}
