/** Export: files of the shown picture for use elsewhere, in the sizes and formats of `export_image`. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { number, size } from '../format';
import { ask, newClick, type ExportedFile, type Fit, type Picture } from '../server';
import { attempt, say, view } from '../state';
import { IconButton } from './icons';
import { Choice } from './prompt_bar';

const FITS: readonly [Fit, string][] = [
  ['smart', 'Crop around what matters'],
  ['centre', 'Crop from the centre'],
  ['pad', 'Keep all of it, with bars'],
  ['stretch', 'Stretch'],
];

const names = signal<readonly string[]>([]);

export function Export({ picture }: { picture: Picture }) {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [own, setOwn] = useState('');
  const [fit, setFit] = useState<Fit>('smart');
  const [files, setFiles] = useState<readonly ExportedFile[]>([]);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    if (!names.value.length) void attempt(async () => (names.value = (await ask('targets', {})).names));
  }, []);
  useEffect(() => setFiles([]), [picture.id]);
  const wanted = [...chosen, ...own.split(',').map((each) => each.trim()).filter(Boolean)];
  const toggle = (name: string): void =>
    setChosen(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name]);
  const run = async (): Promise<void> => {
    setBusy(true);
    await attempt(async () => {
      const answer = await ask('export', { click: newClick(), pictures: [picture.id], to: [...wanted], fit });
      setFiles(answer.files);
      say(`${number(answer.files.length)} exported`);
    });
    setBusy(false);
  };
  return (
    <section class="export" aria-label="Export">
      <div class="row">
        <h2 class="grow">Export</h2>
        <IconButton icon="close" label="Back to the picture" onClick={() => (view.value = 'look')} />
      </div>
      <div class="chips" role="group" aria-label="Targets">
        {names.value.map((name) => (
          <button key={name} aria-pressed={chosen.includes(name)} onClick={() => toggle(name)}>
            {name}
          </button>
        ))}
      </div>
      <div class="row wrap">
        <input
          class="field grow"
          value={own}
          placeholder="1200x630 webp 200kB"
          aria-label="Your own targets, separated by commas"
          onInput={(event) => setOwn(event.currentTarget.value)}
        />
        <Choice label="How it fits" value={fit} choices={FITS} onChoose={setFit} />
        <button class="main" disabled={!wanted.length || isBusy} onClick={() => void run()}>
          {isBusy ? 'Exporting…' : 'Export'}
        </button>
      </div>
      <ul class="files" aria-label="Exported files">
        {files.map((file) => (
          <li key={file.file_path}>
            <b>{file.target}</b> {number(file.width)} × {number(file.height)}, {size(file.size_bytes)}
            <br />
            <code>{file.file_path}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}
