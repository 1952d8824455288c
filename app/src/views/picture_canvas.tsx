/** A picture of the library on a canvas; what is small is fetched when it comes into sight. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { bitmapOf, EDGES } from '../pixels';
import { messageOf } from '../state';

interface PictureCanvasProps {
  id: string;
  edge: number;
  /** For screen readers; empty where the text beside it says the same. */
  label: string;
  class?: string;
}

export function PictureCanvas({ id, edge, label, class: className }: PictureCanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    let isOver = false;
    const fetch = async (): Promise<void> => {
      try {
        const bitmap = await bitmapOf(id, edge);
        if (!isOver) paint(element, bitmap, id);
        if (!isOver) setFailure(null);
      } catch (error) {
        if (!isOver) setFailure(messageOf(error));
      }
    };
    const stop = edge > EDGES.thumbnail ? void fetch() : whenSeen(element, fetch);
    return () => {
      isOver = true;
      stop?.();
    };
  }, [id, edge]);
  return (
    <>
      <canvas ref={canvas} class={className} {...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true })} />
      {failure && <span class="failure">{failure}</span>}
    </>
  );
}

export function paint(canvas: HTMLCanvasElement, bitmap: ImageBitmap, id: string): void {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
  canvas.dataset.picture = id;
}

function whenSeen(element: Element, work: () => void): () => void {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    work();
  });
  observer.observe(element);
  return () => observer.disconnect();
}
