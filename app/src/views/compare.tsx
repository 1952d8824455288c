/** Compare: before and after under a slider or in turns, the proof of an exact edit, and the map of what changed. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { EDGES, mapOf } from '../pixels';
import type { Picture } from '../server';
import { beforeId, messageOf, session, sheet } from '../state';
import { percent, shorten } from '../format';
import { Icon } from './icons';
import { paint, PictureCanvas } from './picture_canvas';
import { Choice } from './prompt_bar';
import { Stage } from './stage';

type Way = 'slide' | 'flip' | 'changes';
const WAYS: readonly [Way, string][] = [
  ['slide', 'Slide'],
  ['flip', 'Flip'],
  ['changes', 'Changes'],
];

export function Compare({ picture, before }: { picture: Picture; before: Picture }) {
  const [way, setWay] = useState<Way>('slide');
  const [at, setAt] = useState(50);
  const [isBefore, setIsBefore] = useState(false);
  const [edge, setEdge] = useState<number>(EDGES.normal);
  const flip = (): void => {
    setWay('flip');
    setIsBefore((now) => !now);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== ' ' || (event.target instanceof Element && event.target.closest('button, select'))) return;
    event.preventDefault();
    flip();
  };
  const overlay = (
    <>
      {way !== 'changes' && (
        <>
          <Choice label="Compare with" value={before.id} choices={comparable(picture.id, before.id)} onChoose={(id) => (beforeId.value = id)} />
          <span class="side right" role="status">
            {way === 'flip' && isBefore ? 'Before' : 'After'}
          </span>
        </>
      )}
      <div class="ways" role="group" aria-label="Way to compare">
        {WAYS.map(([name, label]) => (
          <button
            key={name}
            aria-pressed={way === name}
            onClick={() => (name === 'flip' ? flip() : setWay(name))}
          >
            {label}
          </button>
        ))}
      </div>
    </>
  );
  return (
    <div class="compare" data-way={way} style={{ '--at': `${at}%` }} onKeyDown={onKeyDown}>
      <Stage
        picture={picture}
        isMovable={way !== 'slide'}
        onZoom={(isEnlarged) => setEdge(isEnlarged ? EDGES.large : EDGES.normal)}
        overlay={overlay}
      >
        <PictureCanvas key="before" id={before.id} edge={edge} label={`Before: ${shorten(before.prompt, 150)}`} class="before" />
        <div class="after" hidden={way === 'flip' && isBefore}>
          <PictureCanvas id={picture.id} edge={edge} label={`After: ${shorten(picture.prompt, 150)}`} />
        </div>
        {way === 'slide' && (
          <>
            <span class="divider" aria-hidden="true" />
            <input
              class="slider"
              type="range"
              min="0"
              max="100"
              step="0.5"
              value={at}
              aria-label="Divider between before and after"
              onInput={(event) => setAt(Number(event.currentTarget.value))}
            />
          </>
        )}
        {way === 'changes' && <Changes picture={picture} before={before} />}
      </Stage>
      {picture.proof && (
        <p class="proof" title={picture.proof.text}>
          <Icon name="check" />
          <span>{picture.proof.text}</span>
        </p>
      )}
    </div>
  );
}

/** What a picture can be compared with: the turns of its session, the drafts beside it, and what is before it now. */
function comparable(id: string, beforeNow: string): [string, string][] {
  const current = session.value;
  const found = new Map([[beforeNow, 'Before']]);
  sheet.value.forEach((each, index) => found.set(each, `Draft ${index + 1}`));
  if (current?.origin) found.set(current.origin, 'Original');
  current?.turns.forEach((turn) => found.set(turn.picture, `Turn ${turn.number}`));
  found.delete(id);
  return [...found];
}

/** The map of what changed, over the picture, and what it says in words. */
function Changes({ picture, before }: { picture: Picture; before: Picture }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [text, setText] = useState('Looking for what changed…');
  const [isDrawn, setIsDrawn] = useState(false);
  useEffect(() => {
    let isOver = false;
    setIsDrawn(false);
    void mapOf(picture.id, before.id, EDGES.normal).then(
      (found) => {
        if (isOver) return;
        setText(found.share === null ? found.text : `${percent(found.share)} of the picture changed`);
        if (found.bitmap && canvas.current) paint(canvas.current, found.bitmap, picture.id);
        setIsDrawn(found.bitmap !== null);
      },
      (error: unknown) => !isOver && setText(messageOf(error)),
    );
    return () => {
      isOver = true;
    };
  }, [picture.id, before.id]);
  return (
    <>
      <canvas ref={canvas} class="map" role="img" aria-label="Map of what changed" hidden={!isDrawn} />
      <span class="side" role="status">
        {text}
      </span>
    </>
  );
}
