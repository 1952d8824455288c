/** Timeline: the session's turns as a tree; a click shows one, and an edit from there branches. */
import { useEffect, useRef } from 'preact/hooks';
import { shorten } from '../format';
import { placed, type Placed } from '../lanes';
import { EDGES } from '../pixels';
import type { Session } from '../server';
import { session, show, shownId, view } from '../state';
import { PictureCanvas } from './picture_canvas';

/** CSS pixels from one turn to the next, and from lane to lane: less where there are many. */
const ACROSS = 64;
const DOWN = 52;
const DOWN_OF_MANY = 32;
const GAP = 8;
const HALF = 26;

export function Timeline() {
  const current = session.value;
  return current?.turns.length ? <Tree session={current} /> : null;
}

function Tree({ session: current }: { session: Session }) {
  const list = useRef<HTMLDivElement>(null);
  const places = placed(current);
  const lanes = 1 + Math.max(...places.map((place) => place.lane));
  const down = lanes > 2 ? DOWN_OF_MANY : DOWN;
  const size = { width: places.length * ACROSS, height: lanes * down - GAP };
  useEffect(() => {
    const box = list.current;
    const shown = box?.querySelector<HTMLElement>('[aria-current=true]');
    // `scrollIntoView` would move the chat too.
    if (box && shown) box.scrollLeft = shown.offsetLeft - box.clientWidth / 2 + HALF;
  }, [shownId.value, places.length]);
  return (
    <div class="timeline" ref={list}>
      <svg width={size.width} height={size.height} aria-hidden="true">
        {places.map((place) => place.parent && <path key={place.number} d={line(place.parent, place, down)} />)}
      </svg>
      <ol aria-label="Turns of the session" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        {places.map((place) => (
          <li key={place.number} style={{ left: `${place.column * ACROSS}px`, top: `${place.lane * down}px`, height: `${down - GAP}px` }}>
            <TurnButton place={place} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function TurnButton({ place }: { place: Placed }) {
  const { number, picture, prompt, parent } = place;
  const isBranch = parent !== null && parent.lane !== place.lane;
  const name = number === 0 ? 'Original' : `Turn ${number}${isBranch ? `, a branch from ${parent.number || 'the original'}` : ''}`;
  return (
    <button
     
      class="turn"
      disabled={picture === null}
      aria-current={picture !== null && shownId.value === picture}
      title={`${name}: ${shorten(prompt, 150)}`}
      onClick={() => {
        if (!picture) return;
        show(picture);
        if (view.value === 'export' || view.value === 'drafts') view.value = 'look';
      }}
    >
      {picture && <PictureCanvas id={picture} edge={EDGES.thumbnail} label="" />}
      <span class="badge" aria-hidden="true">
        {number === 0 ? '•' : number}
      </span>
    </button>
  );
}

function line(from: Placed, to: Placed, down: number): string {
  const half = (down - GAP) / 2;
  const [x1, y1] = [from.column * ACROSS + HALF, from.lane * down + half];
  const [x2, y2] = [to.column * ACROSS + HALF, to.lane * down + half];
  if (y1 === y2) return `M${x1} ${y1}H${x2}`;
  const bend = 12;
  return `M${x1} ${y1}V${y2 - bend}q0 ${bend} ${bend} ${bend}H${x2}`;
}
