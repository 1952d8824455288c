/** The whole page: the views' names at the top, the chosen view, and below it the turns and the line to write in. */
import { canBeFullscreen, isFullscreen, toggleFullscreen } from '../host';
import { making } from '../jobs';
import { attempt, awaited, before, isConnected, notice, problem, sheet, shown, shownId, view, type View } from '../state';
import { Compare } from './compare';
import { Drafts } from './drafts';
import { Export } from './export';
import { Facts } from './facts';
import { IconButton } from './icons';
import { Library } from './library';
import { Look } from './look';
import { Mask } from './mask';
import { Partial, ProgressBar } from './progress';
import { EditBar, NewBar } from './prompt_bar';
import { Timeline } from './timeline';

function Tabs() {
  const isKnown = shownId.value !== null;
  const tabs: [View, string, boolean][] = [
    ['look', 'Look', isKnown],
    ['compare', 'Compare', isKnown && before.value !== undefined],
    ['mask', 'Mask', isKnown && isConnected.value],
    ['drafts', 'Drafts', sheet.value.length > 1],
    ['library', 'Library', isConnected.value],
  ];
  return (
    <nav class="row" aria-label="Views">
      <div class="tabs">
        {tabs.map(
          ([name, label, isThere]) =>
            isThere && (
              <button key={name} aria-current={view.value === name ? 'page' : undefined} onClick={() => (view.value = name)}>
                {label}
              </button>
            ),
        )}
      </div>
      {canBeFullscreen.value && (
        <IconButton
          icon={isFullscreen.value ? 'smaller' : 'larger'}
          label={isFullscreen.value ? 'Smaller' : 'Larger'}
          onClick={() => void attempt(toggleFullscreen)}
        />
      )}
    </nav>
  );
}

function Body() {
  const picture = shown.value;
  const current = view.value;
  if (making.value?.unfinished) return <Partial />;
  if (current === 'library') return <Library />;
  if (current === 'drafts' && sheet.value.length > 1) return <Drafts />;
  if (!picture) return <Waiting />;
  if (current === 'export') return <Export picture={picture} />;
  if (current === 'mask') return <Mask key={picture.id} picture={picture} />;
  if (current === 'compare' && before.value) return <Compare picture={picture} before={before.value} />;
  return <Look key={picture.id} picture={picture} />;
}

function Waiting() {
  if (awaited.value === null) return null;
  return (
    <div class="empty" role="status">
      <span class="spinner" aria-hidden="true" />
      <span>{awaited.value ? `Being made: ${awaited.value}` : 'Opening…'}</span>
    </div>
  );
}

export function App() {
  const picture = shown.value;
  const current = view.value;
  const isOfPicture = picture !== undefined && current !== 'library' && current !== 'drafts';
  return (
    <main data-view={current}>
      <h1 class="unseen">Studio</h1>
      <Tabs />
      <Body />
      {isOfPicture && isConnected.value && current !== 'export' && current !== 'mask' && <Facts picture={picture} />}
      {current !== 'library' && <Timeline />}
      {making.value ? (
        <ProgressBar now={making.value} />
      ) : (
        isConnected.value &&
        (current === 'library' ? <NewBar /> : isOfPicture && current !== 'export' && <EditBar key={picture.id} picture={picture} />)
      )}
      {problem.value && (
        <div class="row problem" role="alert">
          <span class="grow">{problem.value}</span>
          <IconButton icon="close" label="Close the message" onClick={() => (problem.value = null)} />
        </div>
      )}
      <p class={notice.value ? 'hint' : 'unseen'} role="status">
        {notice.value}
      </p>
    </main>
  );
}
