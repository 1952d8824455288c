/** The place of the picture: a frame in its proportions, as large as the page allows, and zoom. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { percent } from '../format';
import { isFullscreen } from '../host';
import type { Picture } from '../server';
import { zoomable, type Zoom } from '../zoom';
import { IconButton } from './icons';

/** Of the picture's own pixels. */
const MAX_ZOOM = 8;
const STEP = 1.5;
/** CSS pixels that an arrow key moves by. */
const MOVE = 60;
const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [MOVE, 0],
  ArrowRight: [-MOVE, 0],
  ArrowUp: [0, MOVE],
  ArrowDown: [0, -MOVE],
};

interface StageProps {
  picture: Pick<Picture, 'width' | 'height'>;
  children: ComponentChildren;
  /** Above the picture, not zoomed. */
  overlay?: ComponentChildren;
  /** Whether the pointer moves the picture; where it paints, only the wheel does. */
  isMovable?: boolean;
  onZoom?: (isEnlarged: boolean) => void;
}

export function Stage({ picture, children, overlay, isMovable = true, onZoom }: StageProps) {
  const stage = useRef<HTMLDivElement>(null);
  const sheet = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const zoom = useRef<Zoom | null>(null);
  /** Of what fits. */
  const [scale, setScale] = useState(1);
  /** Of the picture's own pixels. */
  const [share, setShare] = useState(1);

  useEffect(() => {
    const [box, content, framed] = [stage.current, sheet.current, frame.current];
    if (!box || !content || !framed) return undefined;
    const fit = (): number => Math.max(1, framed.clientWidth) / picture.width;
    const most = (): number => Math.max(1, MAX_ZOOM / fit());
    zoom.current = zoomable(box, content, {
      isMovable,
      most,
      close: () => Math.max(2, 1 / fit()),
      takesWheel: () => isFullscreen.value,
      onChange: (now) => {
        setScale(now);
        setShare(now * fit());
        framed.classList.toggle('pixelated', now * fit() > 2);
        onZoom?.(now > 1);
      },
    });
    return () => zoom.current?.stop();
  }, [picture.width, picture.height, isMovable]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (event.key === '+' || event.key === '=') zoom.current?.by(STEP);
    else if (event.key === '-') zoom.current?.by(1 / STEP);
    else if (event.key === '0') zoom.current?.reset();
    else if (move && isMovable && scale > 1) zoom.current?.move(...move);
    else return;
    event.preventDefault();
  };

  return (
    <div class="stage" tabIndex={-1} ref={stage} style={{ '--ratio': picture.width / picture.height }} onKeyDown={onKeyDown}>
      <div class="sheet" ref={sheet}>
        <div class="frame" ref={frame}>
          {children}
        </div>
      </div>
      {overlay}
      <div class="zoom" role="group" aria-label="Zoom">
        <IconButton icon="minus" label="Zoom out" hint="-" isDisabled={scale <= 1} onClick={() => zoom.current?.by(1 / STEP)} />
        <button title="Fit (0)" aria-label={`Zoom ${percent(share)}; fit the picture`} onClick={() => zoom.current?.reset()}>
          {percent(share)}
        </button>
        <IconButton icon="plus" label="Zoom in" hint="+" onClick={() => zoom.current?.by(STEP)} />
      </div>
    </div>
  );
}
