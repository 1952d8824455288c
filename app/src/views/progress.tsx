/** What is going on while a picture is made: words, time, the unfinished picture, and a way to cancel while it waits. */
import { useEffect, useRef } from 'preact/hooks';
import { seconds } from '../format';
import { cancel, making, type Making } from '../jobs';
import { paint } from './picture_canvas';
import { Stage } from './stage';

export function ProgressBar({ now }: { now: Making }) {
  const share = now.expected_s ? Math.min(0.95, now.elapsed_s / now.expected_s) : null;
  return (
    <div class="progress">
      <span class="spinner" aria-hidden="true" />
      <span class="grow" role="status">
        {now.text}
      </span>
      <span class="time">{now.elapsed_s >= 1 && seconds(now.elapsed_s)}</span>
      {now.job && now.state === 'queued' && (
        <button disabled={now.isCancelled} onClick={() => void cancel()}>
          Cancel
        </button>
      )}
      <progress aria-label="How far the picture is" {...(share === null ? {} : { value: share })} />
    </div>
  );
}

/** The unfinished picture over the one that it is made from. */
export function Partial() {
  const bitmap = making.value?.unfinished;
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (bitmap && element) paint(element, bitmap, 'unfinished');
  }, [bitmap]);
  if (!bitmap) return null;
  return (
    <Stage picture={bitmap} overlay={<span class="side">Unfinished</span>}>
      <canvas ref={canvas} role="img" aria-label="The unfinished picture" />
    </Stage>
  );
}
