/** A mask as shapes in the picture's own pixels: painted at any zoom, and made into pixels once, at its exact size. */

export interface Point {
  x: number;
  y: number;
}

export interface Stroke {
  kind: 'line' | 'box';
  /** Whether it takes paint away. */
  erases: boolean;
  /** Of a line. */
  width: number;
  /** The line's points, or two opposite corners of the box. */
  points: readonly Point[];
}

/** What was done to the mask: a stroke, or that what was painted and what was not changed places. */
export type Step = Stroke | { kind: 'inversion' };

export type Painting = readonly Step[];

export function isEmpty(painting: Painting): boolean {
  return painting.every((step) => step.kind !== 'inversion' && step.erases);
}

type Size = { width: number; height: number };

/** Draw what is painted in one colour. */
export function draw(canvas: HTMLCanvasElement, painting: Painting, colour: string): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  context.globalCompositeOperation = 'source-over';
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = context.strokeStyle = colour;
  context.lineCap = context.lineJoin = 'round';
  for (const step of painting) {
    if (step.kind === 'inversion') {
      context.globalCompositeOperation = 'source-out';
      context.fillRect(0, 0, canvas.width, canvas.height);
      continue;
    }
    context.globalCompositeOperation = step.erases ? 'destination-out' : 'source-over';
    if (step.kind === 'box') drawBox(context, step);
    else drawLine(context, step);
  }
}

/** The edges of a box lie between pixels, so none is painted in part. */
function drawBox(context: CanvasRenderingContext2D, { points }: Stroke): void {
  const [one, other] = [points[0], points.at(-1)];
  if (!one || !other) return;
  const [left, right] = [one.x, other.x].map(Math.round).sort((a, b) => a - b) as [number, number];
  const [top, bottom] = [one.y, other.y].map(Math.round).sort((a, b) => a - b) as [number, number];
  context.fillRect(left, top, right - left, bottom - top);
}

function drawLine(context: CanvasRenderingContext2D, { points, width }: Stroke): void {
  context.lineWidth = width;
  context.beginPath();
  points.forEach(({ x, y }, index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  const [first] = points;
  // A line of no length is drawn as a dot.
  if (points.length === 1 && first) context.lineTo(first.x + 0.01, first.y);
  context.stroke();
}

/** The mask as the API takes it, in base64: a PNG of the picture's size, transparent where it may change. */
export function toPng(painting: Painting, { width, height }: Size): string {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  draw(canvas, painting, '#000');
  const context = canvas.getContext('2d');
  const pixels = context?.getImageData(0, 0, width, height);
  if (!context || !pixels) throw new Error('This client cannot draw.');
  // A pixel may change wholly or not at all, also at the soft edge of a line.
  for (let at = 3; at < pixels.data.length; at += 4) pixels.data[at] = (pixels.data[at] ?? 0) < 128 ? 255 : 0;
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL('image/png').replace(/.*,/, '');
}
