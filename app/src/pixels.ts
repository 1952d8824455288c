/** Pictures to look at, as bitmaps: no address of a picture is used, since hosts forbid even `data:`. */
import { ask, type Data } from './server';

/** Bitmaps that are kept, the last used ones: what is shown stays on its canvas without them. */
const MAX_KEPT = 40;
/** Calls at once: some hosts write each one into a log that a person sees. */
const MAX_CALLS = 4;

const kept = new Map<string, Promise<ImageBitmap>>();
const queue: (() => void)[] = [];
let calls = 0;

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

export function decode(data: Data): Promise<ImageBitmap> {
  return createImageBitmap(new Blob([bytesOf(data.data)], { type: data.type }));
}

/** The picture of this id, its longest edge at most `edge` pixels. */
export function bitmapOf(id: string, edge: number): Promise<ImageBitmap> {
  return keep(`${id} ${edge}`, () => inTurn(async () => decode(await ask('picture', { picture: id, edge }))));
}

/** The map of what differs between two pictures, null if there is nothing to draw; the share that differs; words. */
export async function mapOf(id: string, against: string, edge: number): Promise<ChangeMap> {
  const { type, data, share, text } = await ask('map', { picture: id, against, edge });
  return { bitmap: type && data ? await decode({ type, data }) : null, share, text };
}

interface ChangeMap {
  bitmap: ImageBitmap | null;
  share: number | null;
  text: string;
}

/** Have a bitmap found under an id that the server does not know. */
export function put(id: string, bitmap: ImageBitmap): void {
  for (const edge of Object.values(EDGES)) kept.set(`${id} ${edge}`, Promise.resolve(bitmap));
}

/** Pixels of the longest edge of what is asked for: thumbnails, drafts to choose from, the picture in the chat, and enlarged. */
export const EDGES = { thumbnail: 256, draft: 768, normal: 1280, large: 2048 } as const;

function keep(key: string, make: () => Promise<ImageBitmap>): Promise<ImageBitmap> {
  const found = kept.get(key) ?? make();
  found.catch(() => kept.delete(key));
  // The last used one stands last.
  kept.delete(key);
  kept.set(key, found);
  const [oldest] = kept.keys();
  if (oldest && kept.size > MAX_KEPT) kept.delete(oldest);
  return found;
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (calls >= MAX_CALLS) await new Promise<void>((go) => queue.push(go));
  else calls++;
  try {
    return await work();
  } finally {
    const next = queue.shift();
    if (next) next();
    else calls--;
  }
}
