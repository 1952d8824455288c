/** What the person has made: a click starts a job, which is asked for until it ends. A job outlives the page. */
import { signal } from '@preact/signals';
import { HostError } from './bridge';
import { tellModel } from './host';
import { decode } from './pixels';
import { ask, newClick, type EditWish, type Failed, type Finished, type GenerateWish, type Progress, type Quality } from './server';
import { attempt, messageOf, open, problem, refresh, say, view } from './state';

export interface Making extends Pick<Progress, 'state' | 'text' | 'elapsed_s' | 'expected_s'> {
  /** Null until the server has begun it. */
  job: string | null;
  unfinished: ImageBitmap | null;
  isCancelled: boolean;
}

/** What is being made; the page makes one thing at a time. */
export const making = signal<Making | null>(null);

const BEGUN: Making = { job: null, state: 'queued', text: 'Starting', elapsed_s: 0, unfinished: null, isCancelled: false };
const POLL_MS = 400;
const HIDDEN_POLL_MS = 3000;

type Wish = { op: 'edit'; given: EditWish } | { op: 'finish'; given: { picture: string; quality: Quality } } | { op: 'generate'; given: GenerateWish };

/** Have something made. Resolves to true if it was, after its pictures are shown. */
export async function make(wish: Wish): Promise<boolean> {
  if (making.value) return false;
  making.value = BEGUN;
  problem.value = null;
  try {
    if (wish.op !== 'generate') await refresh();
    const click = newClick();
    const { job } = await patiently(() => ask(wish.op, { ...wish.given, click } as never), 2);
    return await follow(job);
  } catch (error) {
    problem.value = messageOf(error);
    return false;
  } finally {
    making.value = null;
  }
}

/** Show a job that the chat has started until it ends. */
export async function watch(job: string): Promise<void> {
  if (making.value) return;
  making.value = { ...BEGUN, job };
  await attempt(() => follow(job));
  making.value = null;
}

export async function cancel(): Promise<void> {
  const current = making.value;
  if (!current?.job) return;
  making.value = { ...current, isCancelled: true };
  await attempt(async () => {
    say((await ask('cancel', { job: current.job ?? '' })).text);
  });
}

async function follow(job: string): Promise<boolean> {
  let partials = 0;
  for (;;) {
    const answer = await patiently(() => ask('job', { job, partials }));
    if (answer.done) return await end(answer);
    partials = answer.partial?.number ?? partials;
    const current = making.value ?? BEGUN;
    const unfinished = answer.partial ? await decode(answer.partial) : current.unfinished;
    making.value = { ...(making.value ?? current), ...answer, job, unfinished };
    await pause(document.hidden ? HIDDEN_POLL_MS : POLL_MS);
  }
}

async function end(answer: Finished | Failed): Promise<boolean> {
  if (answer.error !== undefined) {
    // What came of a cancel is said already.
    if (!making.value?.isCancelled) problem.value = answer.error;
    return false;
  }
  const opened = await open(answer.pictures, answer.session);
  view.value = opened.sheet.length > 1 ? 'drafts' : opened.before ? 'compare' : 'look';
  say('The picture is ready.');
  if (answer.told) tellModel('made', answer.told);
  return true;
}

/** Ask again where no answer came; a click that is sent again is the same job. */
async function patiently<T>(work: () => Promise<T>, times = 4): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (failures >= times) throw new HostError('The client does not answer. The picture goes on, and will be in the library.');
      await pause(failures * 1000);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
