/** Saves a picture's file, byte for byte, where the host has a way to. */
import { signal } from '@preact/signals';
import { request } from './bridge';
import { ask } from './server';
import { attempt, say } from './state';

/** The share of the file that was fetched; null while nothing is saved. */
export const saving = signal<number | null>(null);

export async function save(id: string): Promise<void> {
  if (saving.value !== null) return;
  saving.value = 0;
  await attempt(async () => {
    const { name, type, blob } = await fileOf(id);
    const answer = await request('ui/download-file', {
      contents: [{ type: 'resource', resource: { uri: `file:///${encodeURIComponent(name)}`, mimeType: type, blob } }],
    });
    say(answer.isError ? 'The file was not saved.' : `Saved ${name}.`);
  });
  saving.value = null;
}

/** The file in pieces, since hosts limit an answer. Each piece but the last is a multiple of three bytes, so their base64 joins. */
async function fileOf(id: string): Promise<{ name: string; type: string; blob: string }> {
  const parts: string[] = [];
  let offset = 0;
  for (;;) {
    const part = await ask('original', { picture: id, offset });
    parts.push(part.data);
    if (!part.next) return { name: part.name, type: part.type, blob: parts.join('') };
    offset = part.next;
    saving.value = part.size ? offset / part.size : 0;
  }
}
