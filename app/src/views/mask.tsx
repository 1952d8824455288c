/** Mask: painting what may change, by mouse, finger, pen or keyboard, in the picture's own pixels. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { percent } from '../format';
import { draw, type Painting, type Point, type Stroke } from '../mask';
import { EDGES } from '../pixels';
import type { Picture } from '../server';
import { PictureCanvas } from './picture_canvas';
import { IconButton, type IconName } from './icons';
import { Stage } from './stage';

type Tool = 'brush' | 'eraser' | 'box';

const TOOLS: readonly [Tool, IconName, string, string][] = [
  ['brush', 'brush', 'Brush', 'B'],
  ['eraser', 'eraser', 'Eraser', 'E'],
  ['box', 'box', 'Box', 'X'],
];
const INK = '#ff2d87';
/** Of the picture's longest edge, in per cent. */
const WIDTHS = { least: 1, most: 30, first: 8 };

const tool = signal<Tool>('brush');
const width = signal(WIDTHS.first);
const cursor = signal<Point | null>(null);

/** What is painted, and on which picture. */
export const painting = signal<Painting>([]);
let paintedId = '';

export function clearMask(): void {
  painting.value = [];
}

function strokeWidth({ width: across, height }: Picture): number {
  return Math.max(1, (width.value / 100) * Math.max(across, height));
}

function newStroke(picture: Picture, at: Point): Stroke {
  return {
    kind: tool.value === 'box' ? 'box' : 'line',
    erases: tool.value === 'eraser',
    width: strokeWidth(picture),
    points: [at],
  };
}

export function Mask({ picture }: { picture: Picture }) {
  return (
    <>
      <Stage picture={picture} isMovable={false}>
        <PictureCanvas id={picture.id} edge={EDGES.normal} label="" />
        <Ink picture={picture} />
      </Stage>
      <Tools />
    </>
  );
}

function Ink({ picture }: { picture: Picture }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const current = useRef<Stroke | null>(null);
  const position = useRef<HTMLSpanElement>(null);

  const redraw = (): void => {
    const element = canvas.current;
    if (element) draw(element, current.current ? [...painting.value, current.current] : painting.value, INK);
  };
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    element.width = picture.width;
    element.height = picture.height;
    cursor.value = null;
    if (paintedId !== picture.id) clearMask();
    paintedId = picture.id;
    return painting.subscribe(redraw);
  }, [picture.id]);

  const begin = (at: Point): void => {
    current.current = newStroke(picture, at);
    redraw();
  };
  const extend = (...points: Point[]): void => {
    const stroke = current.current;
    if (!stroke) return;
    current.current = { ...stroke, points: [...stroke.points, ...points] };
    redraw();
  };
  const finish = (): void => {
    if (!current.current) return;
    const done = current.current;
    current.current = null;
    painting.value = [...painting.value, done];
  };
  const drop = (): void => {
    current.current = null;
    redraw();
  };
  const pointOf = (event: PointerEvent): Point => {
    const area = canvas.current?.getBoundingClientRect() ?? new DOMRect();
    return {
      x: ((event.clientX - area.left) / area.width) * picture.width,
      y: ((event.clientY - area.top) / area.height) * picture.height,
    };
  };
  const onPointerDown = (event: PointerEvent): void => {
    // A second finger means to enlarge.
    if (!event.isPrimary || event.button > 0) return drop();
    canvas.current?.setPointerCapture(event.pointerId);
    cursor.value = pointOf(event);
    begin(cursor.value);
  };
  const onPointerMove = (event: PointerEvent): void => {
    if (!event.isPrimary) return;
    cursor.value = pointOf(event);
    if (!current.current) return;
    const events = event.getCoalescedEvents?.() ?? [];
    extend(...(events.length ? events : [event]).map(pointOf));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const move = MOVES[event.key];
    const isPress = event.key === ' ' || event.key === 'Enter';
    if (!move && !isPress && !(event.key === 'Escape' && current.current)) return;
    const from = cursor.value ?? { x: picture.width / 2, y: picture.height / 2 };
    const step = (event.shiftKey ? 4 : 0.5) * strokeWidth(picture);
    const within = (at: number, most: number): number => Math.min(most, Math.max(0, at));
    const to = { x: within(from.x + (move?.[0] ?? 0) * step, picture.width), y: within(from.y + (move?.[1] ?? 0) * step, picture.height) };
    cursor.value = to;
    if (move) extend(to);
    else if (!isPress) drop();
    else if (current.current) finish();
    else begin(to);
    event.preventDefault();
    event.stopPropagation();
    say();
  };
  const say = (): void => {
    if (!position.current || !cursor.value) return;
    const [across, down] = [percent(cursor.value.x / picture.width), percent(cursor.value.y / picture.height)];
    position.current.textContent = `${across} across, ${down} down, ${tool.value} ${current.current ? 'down' : 'up'}`;
  };

  return (
    <>
      <canvas
        ref={canvas}
        class="ink"
        tabIndex={0}
        role="application"
        aria-label="What may change. Arrow keys move the brush, Space puts it down and lifts it."
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={finish}
        onPointerCancel={drop}
        onPointerLeave={() => (current.current ? undefined : (cursor.value = null))}
        onBlur={finish}
        onKeyDown={onKeyDown}
      />
      <Ring picture={picture} />
      <span class="unseen" role="status" ref={position} />
    </>
  );
}

/** Where the brush is, and how wide. */
function Ring({ picture }: { picture: Picture }) {
  const at = cursor.value;
  if (!at) return null;
  const across = tool.value === 'box' ? 0 : strokeWidth(picture);
  return (
    <span
      class="ring"
      aria-hidden="true"
      data-tool={tool.value}
      style={{
        left: `${(at.x / picture.width) * 100}%`,
        top: `${(at.y / picture.height) * 100}%`,
        width: across ? `${(across / picture.width) * 100}%` : undefined,
      }}
    />
  );
}

function undo(): void {
  painting.value = painting.value.slice(0, -1);
}

function Tools() {
  const isPainted = painting.value.length > 0;
  return (
    <div class="row tools" role="toolbar" aria-label="Painting">
      <div class="segments">
        {TOOLS.map(([name, icon, label, key]) => (
          <IconButton key={name} icon={icon} label={label} hint={key} isPressed={tool.value === name} onClick={() => (tool.value = name)} />
        ))}
      </div>
      <input
        class="width"
        type="range"
        min={WIDTHS.least}
        max={WIDTHS.most}
        value={width.value}
        disabled={tool.value === 'box'}
        aria-label="Width of the brush"
        title="Width ([ and ])"
        onInput={(event) => (width.value = Number(event.currentTarget.value))}
      />
      <IconButton icon="undo" label="Undo" hint="Ctrl+Z" isDisabled={!isPainted} onClick={undo} />
      <IconButton icon="invert" label="Invert" onClick={() => (painting.value = [...painting.value, { kind: 'inversion' }])} />
      <IconButton icon="clear" label="Clear" isDisabled={!isPainted} onClick={clearMask} />
    </div>
  );
}

/** The keys of this view; they do nothing while the person writes. */
export function onMaskKey(event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  const named = TOOLS.find(([, , , letter]) => letter.toLowerCase() === key);
  if ((event.ctrlKey || event.metaKey) && key === 'z') undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return false;
  else if (key === '[') width.value = Math.max(WIDTHS.least, width.value - 1);
  else if (key === ']') width.value = Math.min(WIDTHS.most, width.value + 1);
  else if (named) tool.value = named[0];
  else return false;
  return true;
}

const MOVES: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
