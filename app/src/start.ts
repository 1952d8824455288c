/** From what the host hands over to what is shown: ids in a tool's answer, its job, or the newest picture. */
import { on, type ToolResult } from './bridge';
import { toolName } from './host';
import { watch } from './jobs';
import { decode, put } from './pixels';
import { textOf } from './server';
import { attempt, awaited, isConnected, messageOf, open, problem, remember, sheet, shownId, view } from './state';

const RESULT = 'gpt-image-2/result';
const JOB = 'gpt-image-2/job';
const PICTURE = 'gpt-image-2/picture';
const PICTURES = 'gpt-image-2/pictures';
/** A line that ends with a picture's file, but for the one that another was made from here. */
const FILE = /^(?!The model).*?((?:image|edit|session)-\d{8}-\d{6}-[0-9a-f]{6}[\p{L}\p{N}\p{M}-]*)\.\w+$/gmu;
const SESSION_ID = /\bsession-[0-9a-f]{24}\b/;
/** A host that shows the answer of a call sends its arguments at once. Without them, the studio was opened by itself. */
const ALONE_AFTER_MS = 1500;
/** The id of a picture that is known from the chat's answer alone. */
const FROM_CHAT = 'chat';

let isFed = false;

export function listen(): void {
  on('ui/notifications/tool-input', expectAnswer);
  on('ui/notifications/tool-input-partial', expectAnswer);
  on('ui/notifications/tool-result', (result) => {
    isFed = true;
    void receive(result);
  });
  on('ui/notifications/tool-cancelled', ({ reason }) => {
    awaited.value = null;
    problem.value = reason ? `The call was cancelled: ${reason}` : 'The call was cancelled.';
    view.value = 'library';
  });
}

/** A call is under way whose answer will be shown. */
function expectAnswer({ arguments: given }: { arguments?: Record<string, unknown> }): void {
  isFed = true;
  shownId.value = null;
  view.value = 'look';
  awaited.value = typeof given?.prompt === 'string' ? given.prompt : '';
}

/** Where no call is shown, begin with the newest picture, or with an empty library. */
export function startAlone(): void {
  setTimeout(() => {
    if (isFed) return;
    void attempt(async () => {
      const opened = await open([]);
      // Where there is a picture, the view is the one that the page began with, or that the person has chosen since.
      if (!opened.shown) view.value = 'library';
    }).finally(() => (awaited.value = null));
  }, ALONE_AFTER_MS);
}

/** What a program reads of an answer. Some hosts do not hand it over. */
interface Meta {
  [RESULT]?: { images?: { id: string }[]; session_id?: string | null };
  [PICTURE]?: { id: string };
  [PICTURES]?: unknown;
  [JOB]?: { job_id: string };
}

async function receive(result: ToolResult): Promise<void> {
  const text = textOf(result as never);
  const meta = (result._meta ?? {}) as Meta;
  const made = meta[PICTURE] ? [meta[PICTURE]] : meta[RESULT]?.images;
  const ids = made?.map((each) => each.id) ?? [...new Set([...text.matchAll(FILE)].map((match) => match[1] ?? ''))];
  const sessionId = meta[RESULT]?.session_id ?? SESSION_ID.exec(text)?.[0] ?? null;
  const job = meta[JOB]?.job_id;
  try {
    if (job) await watch(job);
    else if (meta[PICTURES] || toolName.value === 'list_images' || (!ids.length && !sessionId)) view.value = 'library';
    else await show(ids, sessionId);
    if (result.isError) problem.value = text;
  } catch (error) {
    await showFromChat(result, error);
  } finally {
    awaited.value = null;
    if (!shownId.value && view.value === 'look') view.value = 'library';
  }
}

async function show(ids: readonly string[], sessionId: string | null): Promise<void> {
  const opened = await open(ids, sessionId);
  view.value = opened.sheet.length > 1 ? 'drafts' : opened.before ? 'compare' : 'look';
}

/** The page cannot reach the server: draw the preview that came with the answer. */
async function showFromChat(result: ToolResult, error: unknown): Promise<void> {
  const blocks = (result.content ?? []) as readonly { type: string; data?: string; mimeType?: string }[];
  const image = blocks.find((block) => block.type === 'image');
  problem.value = messageOf(error);
  if (!image?.data || !image.mimeType) return;
  const bitmap = await decode({ type: image.mimeType, data: image.data });
  put(FROM_CHAT, bitmap);
  const { width, height } = bitmap;
  const nothing = { made: '', usd: null, quality: null, proof: null, parents: [], session: null };
  remember([{ ...nothing, id: FROM_CHAT, prompt: 'The preview of the answer', width, height, mime_type: image.mimeType, file_name: '', role: 'image' }]);
  isConnected.value = false;
  shownId.value = FROM_CHAT;
  sheet.value = [];
  view.value = 'look';
}
