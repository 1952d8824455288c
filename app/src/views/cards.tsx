/** Pictures in a grid, and how many of them fit where the chat gives little room. */
import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { shorten } from '../format';
import { isFullscreen } from '../host';
import { EDGES } from '../pixels';
import type { Picture } from '../server';
import { PictureCanvas } from './picture_canvas';

const LEAST_CARD = 96;
const GAP = 8;
/** A page in the chat does not scroll by itself, so it shows what fits. */
const INLINE_HEIGHT = 250;

interface CardsProps {
  pictures: readonly Picture[];
  label: string;
  /** Numbered from 1, and in their own proportions: for choosing between them. */
  isNumbered?: boolean;
  chosen?: string | null;
  onChoose: (picture: Picture) => void;
}

export function Cards({ pictures, label, isNumbered, chosen, onChoose }: CardsProps) {
  return (
    <ul class={isNumbered ? 'cards numbered' : 'cards'} aria-label={label} style={isNumbered ? shape(pictures) : undefined}>
      {pictures.map((picture, index) => (
        <li key={picture.id}>
          <button
           
            class="card"
            title={`${isNumbered ? `Draft ${index + 1}: ` : ''}${shorten(picture.prompt || picture.file_name, 150)}`}
            aria-pressed={chosen === undefined ? undefined : chosen === picture.id}
            onClick={() => onChoose(picture)}
          >
            <PictureCanvas id={picture.id} edge={isNumbered ? EDGES.draft : EDGES.thumbnail} label="" />
            {isNumbered && (
              <span class="badge" aria-hidden="true">
                {index + 1}
              </span>
            )}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Cards in the pictures' proportions, as large as so many can be in the chat's room or in the window: one row of three, or two. */
function shape(pictures: readonly Picture[]): Record<string, string | number> {
  const [first] = pictures;
  const ratio = first ? first.width / first.height : 1;
  const rows = pictures.length > 3 ? 2 : 1;
  const down = isFullscreen.value ? innerHeight - 170 : 330;
  const width = Math.min((down / rows) * ratio, (innerWidth - 30) / Math.ceil(pictures.length / rows) - GAP);
  return { '--ratio': ratio, '--card': `${Math.round(width)}px` };
}

/** How many cards fit: all that the server gives on a page in a window of their own, otherwise a few rows. */
export function useRoom(most: number): [RefObject<HTMLDivElement | null>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(6);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = (): void => {
      const columns = Math.max(1, Math.floor((element.clientWidth + GAP) / (LEAST_CARD + GAP)));
      const card = (element.clientWidth - (columns - 1) * GAP) / columns;
      const rows = Math.max(1, Math.floor((INLINE_HEIGHT + GAP) / (card + GAP)));
      setRoom(isFullscreen.value ? most : Math.min(most, columns * rows));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    const stop = isFullscreen.subscribe(measure);
    return () => {
      observer.disconnect();
      stop();
    };
  }, [most]);
  return [box, room];
}
