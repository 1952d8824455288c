/** Enlarging what is in a box, and moving it: by wheel, double click, pinch, buttons and keys. Never less than what fits. */

export interface ZoomOptions {
  /** Whether one pointer moves what is enlarged; false where it paints or drags something else. */
  isMovable: boolean;
  /** The largest scale; 1 is what fits. */
  most: () => number;
  /** The scale of a double click. */
  close: () => number;
  /** Whether the wheel alone may zoom; in a chat it scrolls until the picture is enlarged. */
  takesWheel: () => boolean;
  onChange: (scale: number) => void;
}

export interface Zoom {
  by: (factor: number) => void;
  move: (x: number, y: number) => void;
  reset: () => void;
  stop: () => void;
}

interface At {
  x: number;
  y: number;
}

export function zoomable(box: HTMLElement, content: HTMLElement, options: ZoomOptions): Zoom {
  const pointers = new Map<number, At>();
  const ending = new AbortController();
  let [scale, x, y] = [1, 0, 0];

  const place = (newScale: number, newX: number, newY: number): void => {
    scale = Math.min(options.most(), Math.max(1, newScale));
    x = Math.min(0, Math.max(box.clientWidth * (1 - scale), newX));
    y = Math.min(0, Math.max(box.clientHeight * (1 - scale), newY));
    content.style.transform = scale > 1 ? `translate(${x}px,${y}px)scale(${scale})` : '';
    // At its first size, a finger scrolls the chat.
    box.style.touchAction = scale > 1 ? 'none' : 'pan-x pan-y';
    options.onChange(scale);
  };
  /** Scale so that what is under a point of the window stays there. */
  const around = (newScale: number, point: At): void => {
    const area = box.getBoundingClientRect();
    const [left, top] = [point.x - area.left, point.y - area.top];
    const factor = Math.min(options.most(), Math.max(1, newScale)) / scale;
    place(newScale, left - (left - x) * factor, top - (top - y) * factor);
  };
  const middle = (): At => {
    const area = box.getBoundingClientRect();
    return { x: area.left + area.width / 2, y: area.top + area.height / 2 };
  };
  const move = (right: number, down: number): void => place(scale, x + right, y + down);
  const listen = <K extends keyof HTMLElementEventMap>(type: K, handler: (event: HTMLElementEventMap[K]) => void): void =>
    box.addEventListener(type, handler, { signal: ending.signal, passive: false });

  listen('wheel', (event) => {
    const isPinch = event.ctrlKey || event.metaKey;
    if (!isPinch && !options.takesWheel() && scale === 1) return;
    event.preventDefault();
    if (isPinch || options.isMovable) around(scale * Math.exp(-event.deltaY / (isPinch ? 100 : 400)), pointOf(event));
    else move(-event.deltaX, -event.deltaY);
  });
  listen('dblclick', (event) => {
    if (options.isMovable && !isControl(event)) around(scale > 1 ? 1 : options.close(), pointOf(event));
  });
  listen('pointerdown', (event) => {
    if (isControl(event)) return;
    pointers.set(event.pointerId, pointOf(event));
    if (options.isMovable && scale > 1) box.setPointerCapture(event.pointerId);
  });
  listen('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const now = pointOf(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (other) around((scale * distance(now, other)) / Math.max(1, distance(last, other)), between(now, other));
    if (other || options.isMovable) move((now.x - last.x) / pointers.size, (now.y - last.y) / pointers.size);
  });
  for (const type of ['pointerup', 'pointercancel', 'pointerleave'] as const) {
    listen(type, (event) => pointers.delete(event.pointerId));
  }
  const resized = new ResizeObserver(() => place(scale, x, y));
  resized.observe(box);
  place(1, 0, 0);
  return {
    by: (factor) => around(scale * factor, middle()),
    move,
    reset: () => place(1, 0, 0),
    stop: () => {
      ending.abort();
      resized.disconnect();
    },
  };
}

function pointOf(event: MouseEvent): At {
  return { x: event.clientX, y: event.clientY };
}

function isControl(event: Event): boolean {
  return event.target instanceof Element && event.target.closest('button, input') !== null;
}

function distance(one: At, other: At): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function between(one: At, other: At): At {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}
