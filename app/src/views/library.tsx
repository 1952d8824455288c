/** Library: all that was made, searched by words and paged; a click opens a picture with its session. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { tellModel } from '../host';
import { ask, type Picture } from '../server';
import { attempt, open, remember, view } from '../state';
import { Cards, useRoom } from './cards';
import { Pager } from './pager';

/** Pictures on a page of the server. */
const SERVER_PAGE = 24;
const REST_MS = 300;

const query = signal('');
const found = signal<readonly Picture[]>([]);
const hasMore = signal(true);
const page = signal(0);
let newest = 0;
let fetching = Promise.resolve();
let timer = 0;

/** Search anew; the pictures are fetched as far as they are shown. */
function search(words: string): void {
  newest++;
  query.value = words;
  page.value = 0;
  found.value = [];
  hasMore.value = true;
}

/** Fetch until the pictures up to `end` are there, or there are no more, one page after the other. The answers of an earlier search are left. */
async function fetchUpTo(end: number): Promise<void> {
  const mine = newest;
  while (mine === newest && hasMore.value && found.value.length < end) {
    const answer = await ask('search', { query: query.value, page: found.value.length / SERVER_PAGE + 1 });
    if (mine !== newest) return;
    remember(answer.pictures);
    found.value = [...found.value, ...answer.pictures];
    hasMore.value = answer.more;
  }
}

export function Library() {
  const [box, room] = useRoom(SERVER_PAGE);
  useEffect(() => search(query.value), []);
  const all = found.value;
  const start = page.value * room;
  const hasOlder = all.length > start + room || (hasMore.value && all.length > 0);
  useEffect(() => {
    fetching = fetching.then(() => attempt(() => fetchUpTo(start + room)));
  }, [start, room, query.value, newest]);
  const choose = (picture: Picture): void => {
    void attempt(async () => {
      await open([picture.id], picture.session);
      view.value = 'look';
      tellModel('shown', `In the studio the person is looking at ${picture.id} (${picture.file_path ?? picture.file_name}).`);
    });
  };
  return (
    <div class="library" ref={box}>
      <input
        class="field"
        type="search"
        placeholder="Search…"
        aria-label="Search in the library"
        value={query.value}
        onInput={(event) => {
          const words = event.currentTarget.value;
          clearTimeout(timer);
          timer = window.setTimeout(() => search(words), REST_MS);
        }}
      />
      {!hasMore.value && !all.length ? (
        <p class="empty" role="status">
          {query.value ? 'No picture has these words.' : 'There is no picture yet. Describe one below.'}
        </p>
      ) : (
        <Cards pictures={all.slice(start, start + room)} label="Pictures" onChoose={choose} />
      )}
      {(start > 0 || hasOlder) && (
        <Pager page={page.value} hasMore={hasOlder} onPage={(to) => (page.value = to)} />
      )}
    </div>
  );
}
