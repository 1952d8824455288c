/** The server's tool for the page: its operations, and what they answer. */
import { request } from './bridge';

export interface Proof {
  text: string;
  verdict?: string;
}

export interface Picture {
  id: string;
  prompt: string;
  width: number;
  height: number;
  /** ISO 8601. */
  made: string;
  /** Dollars as a decimal, null where they are not known. */
  usd: string | null;
  quality: string | null;
  mime_type: string;
  file_name: string;
  file_path?: string;
  role: 'image' | 'exact' | 'delivered' | 'model';
  proof: Proof | null;
  parents: string[];
  session: string | null;
  turn?: number | null;
  can_be_shown?: boolean;
}

export interface Turn {
  number: number;
  /** Null: made from the originals. */
  parent: number | null;
  prompt: string;
  picture: string;
}

export interface Session {
  id: string;
  head: number;
  origin: string | null;
  turns: Turn[];
}

/** A part of a file or a picture to look at, in base64. */
export interface Data {
  type: string;
  data: string;
}

export interface Opened {
  pictures: Picture[];
  session: Session | null;
  /** The pictures that belong together, numbered from 1 as on a contact sheet. */
  sheet: string[];
  shown: string | null;
  before: string | null;
}

export type Keep = 'auto' | 'exact' | 'off';
export type Quality = 'auto' | 'low' | 'medium' | 'high';
export type Fit = 'smart' | 'centre' | 'pad' | 'stretch';

/** What an edit starts from: a picture, or a turn of a session. */
export interface Start {
  picture?: string | undefined;
  session?: string | undefined;
  from_turn?: number | undefined;
}

export interface EditWish extends Start {
  prompt: string;
  quality: Quality;
  keep?: Keep;
  mask?: string | undefined;
}

export interface GenerateWish {
  prompt: string;
  quality: Quality;
  size: string;
  n: number;
}

export interface PriceWish extends Start {
  action: 'edit' | 'finish' | 'generate';
  prompt?: string;
  quality: Quality;
  mask?: boolean;
  keep?: Keep;
  size?: string;
  n?: number;
}

export interface Price {
  usd: string | null;
  text: string;
}

export interface Progress {
  done: false;
  state: 'queued' | 'running';
  text: string;
  elapsed_s: number;
  expected_s?: number;
  partial?: Data & { number?: number };
}

export interface Finished {
  done: true;
  error?: undefined;
  pictures: string[];
  session: string | null;
  text: string;
  /** For the model: what the person had made; empty for what the chat has asked for. */
  told: string;
}

export interface Failed {
  done: true;
  error: string;
}

export interface ExportedFile {
  target: string;
  file_path: string;
  width: number;
  height: number;
  size_bytes: number;
}

interface Operations {
  open: [{ pictures?: string[]; session?: string | null }, Opened];
  picture: [{ picture: string; edge: number }, Data & { width: number; height: number }];
  map: [
    { picture: string; against: string; edge: number },
    { type: string | null; data: string | null; share: number | null; text: string },
  ];
  original: [{ picture: string; offset: number }, Data & { name: string; size?: number; next: number }];
  search: [{ query: string; page: number }, { pictures: Picture[]; page: number; more: boolean }];
  price: [PriceWish, Price];
  edit: [EditWish & { click: string }, { job: string }];
  finish: [{ click: string; picture: string; quality: Quality }, { job: string }];
  generate: [GenerateWish & { click: string }, { job: string }];
  job: [{ job: string; partials?: number }, Progress | Finished | Failed];
  cancel: [{ job: string }, { text: string }];
  targets: [object, { names: string[] }];
  export: [{ click: string; pictures: string[]; to: string[]; fit: Fit }, { files: ExportedFile[]; text: string }];
}

export type Operation = keyof Operations;
export type Asked<O extends Operation> = Operations[O][0];
export type Answered<O extends Operation> = Operations[O][1];

/** The server refused; the message says why, in words for the person. */
export class Refused extends Error {}

export function textOf(result: ToolResultLike): string {
  const texts = (result.content ?? []).filter((block) => block.type === 'text').map((block) => block.text ?? '');
  return texts.join('\n');
}

interface ToolResultLike {
  content?: readonly { type: string; text?: string }[];
}

/** Call one operation. Rejects with `Refused`, or with `HostError` if the call did not come through. */
export async function ask<O extends Operation>(op: O, given: Asked<O>): Promise<Answered<O>> {
  const result = await request('tools/call', { name: 'studio_app', arguments: { op, ...given } });
  const text = textOf(result as ToolResultLike);
  if (result.isError) throw new Refused(text);
  return JSON.parse(text) as Answered<O>;
}

/** A click's name: with it, the same click is the same job, however often it is sent. */
export function newClick(): string {
  // `randomUUID` is missing where the host is not served over TLS.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
