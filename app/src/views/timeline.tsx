/** Timeline: the session's turns as a tree; a click shows one, and an edit from there branches. */
import { useEffect, useRef } from 'preact/hooks';
import { shorten } from '../format';
import { placed, type Placed } from '../lanes';
import { EDGES } from '../pixels';
import type { Session } from '../server';
import { session, show, shownId, view } from '../state';
import { PictureCanvas } from './picture_canvas';

/** CSS pixels from one turn to the next, and from lane to lane. */
const ACROSS = 64;
const DOWN = 52;
const HALF = { across: 26, down: 22 };

export function Timeline() {
  const current = session.value;
  return current?.turns.length ? <Tree session={current} /> : null;
}

function Tree({ session: current }: { session: Session }) {
  const list = useRef<HTMLDivElement>(null);
  const places = placed(current);
  const lanes = 1 + Math.max(...places.map((place) => place.lane));
  const size = { width: places.length * ACROSS - 12, height: lanes * DOWN - 8 };
  useEffect(() => {
    const box = list.current;
    const shown = box?.querySelector<HTMLElement>('[aria-current=true]');
    // `scrollIntoView` would move the chat too.
    if (box && shown) box.scrollLeft = shown.offsetLeft - box.clientWidth / 2 + HALF.across;
  }, [shownId.value, places.length]);
  return (
    <div class="timeline" ref={list}>
      <svg width={size.width} height={size.height} aria-hidden="true">
        {places.map((place) => place.parent && <path key={place.number} d={line(place.parent, place)} />)}
      </svg>
      <ol aria-label="Turns of the session" style={{ width: `${size.width}px`, height: `${size.height}px` }}>
        {places.map((place) => (
          <li key={place.number} style={{ left: `${place.column * ACROSS}px`, top: `${place.lane * DOWN}px` }}>
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

function line(from: Placed, to: Placed): string {
  const [x1, y1] = [from.column * ACROSS + HALF.across, from.lane * DOWN + HALF.down];
  const [x2, y2] = [to.column * ACROSS + HALF.across, to.lane * DOWN + HALF.down];
  if (y1 === y2) return `M${x1} ${y1}H${x2}`;
  const bend = 12;
  return `M${x1} ${y1}V${y2 - bend}q0 ${bend} ${bend} ${bend}H${x2}`;
}
