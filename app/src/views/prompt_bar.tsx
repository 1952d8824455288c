/** The line at the bottom where the person writes: what to change, or what to make anew, with its price on the button. */
import { signal, type Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { make, making } from '../jobs';
import { isEmpty, toPng } from '../mask';
import { usePrice, type Quote } from '../prices';
import type { Picture, PriceWish, Quality } from '../server';
import { startOf, view } from '../state';
import { clearMask, painting } from './mask';

const QUALITIES: readonly [Quality, string][] = [
  ['low', 'Low'],
  ['medium', 'Medium'],
  ['high', 'High'],
  ['auto', 'Auto'],
];
const SIZES: readonly [string, string][] = [
  ['auto', 'Any shape'],
  ['1024x1024', 'Square'],
  ['1536x1024', 'Landscape'],
  ['1024x1536', 'Portrait'],
];

/** What the person has written stays when making it fails, and when another view is looked at meanwhile. */
const changeWords = signal('');
const newWords = signal('');

/** Changes the shown picture; with a painted mask only there. */
export function EditBar({ picture }: { picture: Picture }) {
  const [quality, setQuality] = useState<Quality>(qualityOf(picture));
  const [isExact, setExact] = useState(true);
  const isMasked = view.value === 'mask' && !isEmpty(painting.value);
  const start = startOf(picture.id);
  const keep = isMasked && !isExact ? 'off' : 'auto';
  const price = usePrice({ action: 'edit', ...start, prompt: changeWords.value, quality, mask: isMasked, keep });
  const send = async (): Promise<void> => {
    const mask = isMasked ? toPng(painting.value, picture) : undefined;
    const wish = { ...start, prompt: changeWords.value.trim(), quality, keep, mask } as const;
    if (!(await make({ op: 'edit', given: wish }))) return;
    changeWords.value = '';
    clearMask();
  };
  return (
    <>
      {view.value === 'mask' && (
        <div class="row hint">
          {isMasked ? (
            <label class="choice">
              <input type="checkbox" checked={isExact} onChange={(event) => setExact(event.currentTarget.checked)} />
              Keep everything else to the pixel
            </label>
          ) : (
            'Paint over what may change.'
          )}
        </div>
      )}
      <PromptBar
        label={isMasked ? 'Change what is painted' : 'Change this picture'}
        action="Edit"
        words={changeWords}
        price={price}
        onSend={send}
      >
        <Choice label="Quality" value={quality} choices={QUALITIES} onChoose={setQuality} />
      </PromptBar>
    </>
  );
}

/** Makes a picture from words alone. */
export function NewBar() {
  const [quality, setQuality] = useState<Quality>('medium');
  const [size, setSize] = useState('auto');
  const [count, setCount] = useState('1');
  const wish = { prompt: newWords.value.trim(), quality, size, n: Number(count) };
  const price = usePrice({ action: 'generate', ...wish } satisfies PriceWish);
  const send = async (): Promise<void> => {
    if (await make({ op: 'generate', given: wish })) newWords.value = '';
  };
  return (
    <PromptBar
      label="Describe a new picture"
      action="Make"
      words={newWords}
      price={price}
      onSend={send}
    >
      <Choice label="Shape" value={size} choices={SIZES} onChoose={setSize} />
      <Choice label="How many" value={count} choices={COUNTS} onChoose={setCount} />
      <Choice label="Quality" value={quality} choices={QUALITIES} onChoose={setQuality} />
    </PromptBar>
  );
}

const COUNTS: readonly [string, string][] = [
  ['1', '1 picture'],
  ['2', '2 drafts'],
  ['4', '4 drafts'],
  ['8', '8 drafts'],
];

function qualityOf(picture: Picture): Quality {
  return QUALITIES.find(([name]) => name === picture.quality)?.[0] ?? 'auto';
}

interface PromptBarProps {
  label: string;
  action: string;
  words: Signal<string>;
  price: Quote;
  onSend: () => Promise<void>;
  children: ComponentChildren;
}

function PromptBar({ label, action, words, price, onSend, children }: PromptBarProps) {
  const isReady = words.value.trim() !== '' && !making.value;
  return (
    <div class="prompt" role="group" aria-label={label}>
      <textarea
        class="field"
        rows={1}
        value={words.value}
        maxLength={32_000}
        placeholder={`${label}…`}
        aria-label={label}
        onInput={(event) => (words.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          if (isReady) void onSend();
        }}
      />
      <div class="row wrap send">
        {children}
        <button class="main" disabled={!isReady} title={price.note} onClick={() => void onSend()}>
          {action}
          {price.amount && <span class="price">{price.amount}</span>}
        </button>
      </div>
      {price.isRefused && <p class="problem">{price.note}</p>}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: readonly (readonly [T, string])[];
  onChoose: (value: T) => void;
}

export function Choice<T extends string>({ label, value, choices, onChoose }: ChoiceProps<T>) {
  return (
    <select aria-label={label} title={label} value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
      {choices.map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  );
}
