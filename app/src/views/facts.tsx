/** The line below the picture: its words, which open to all that is known about it, and what to do with its file. */
import { Fragment } from 'preact';
import { date, money, number, percent } from '../format';
import { abilities } from '../host';
import { save, saving } from '../save';
import type { Picture } from '../server';
import { session, view } from '../state';
import { IconButton } from './icons';

export function Facts({ picture }: { picture: Picture }) {
  const turn = session.value?.turns.find((each) => each.picture === picture.id);
  const facts: [string, string][] = [
    ['Size', `${number(picture.width)} × ${number(picture.height)}`],
    ...(picture.quality ? [['Quality', picture.quality] as [string, string]] : []),
    ...(picture.usd === null ? [] : [['Paid', money(picture.usd)] as [string, string]]),
    ['Made', date(picture.made)],
    ...(turn ? [['Turn', number(turn.number)] as [string, string]] : []),
    ['File', picture.file_path ?? picture.file_name],
    ['Id', picture.id],
  ];
  return (
    <div class="facts">
      <details>
        <summary>
          <span class="words">{picture.prompt || picture.file_name}</span>
          <span class="brief">{[`${number(picture.width)} × ${number(picture.height)}`, picture.usd === null ? '' : money(picture.usd)].filter(Boolean).join(' · ')}</span>
        </summary>
        <div class="all">
          <p>{picture.prompt}</p>
          <dl>
            {facts.map(([name, value]) => (
              <Fragment key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </Fragment>
            ))}
          </dl>
        </div>
      </details>
      <IconButton icon="export" label="Export" onClick={() => (view.value = 'export')} />
      {abilities.value.downloadFile && (
        <IconButton
          icon="save"
          label={saving.value === null ? 'Save' : `Saving ${percent(saving.value)}`}
          isDisabled={saving.value !== null}
          onClick={() => void save(picture.id)}
        />
      )}
    </div>
  );
}
