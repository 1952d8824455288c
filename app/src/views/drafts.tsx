/** Drafts: the pictures of one call, numbered as on the contact sheet; one is picked, and made final. */
import { tellModel } from '../host';
import { make, making } from '../jobs';
import { usePrice } from '../prices';
import type { Picture } from '../server';
import { beforeId, pictures, sheet, show, shownId, view } from '../state';
import { Cards } from './cards';

export function Drafts() {
  const all = sheet.value.map((id) => pictures.value.get(id)).filter((each) => each !== undefined);
  const chosen = all.find((each) => each.id === shownId.value) ?? null;
  const choose = (picture: Picture): void => {
    show(picture.id);
    const number = sheet.value.indexOf(picture.id) + 1;
    tellModel('shown', `In the studio the person picked draft ${number} of ${all.length}: ${picture.id} (${picture.file_path ?? picture.file_name}).`);
  };
  return (
    <div class="drafts">
      <Cards pictures={all} label="Drafts" isNumbered chosen={chosen?.id ?? null} onChoose={choose} />
      {chosen && <Picked picture={chosen} all={all} />}
    </div>
  );
}

function Picked({ picture, all }: { picture: Picture; all: readonly Picture[] }) {
  const number = all.indexOf(picture) + 1;
  const isFinal = picture.quality === 'high';
  const price = usePrice(isFinal ? null : { action: 'finish', picture: picture.id, quality: 'high' });
  const other = all[number === 1 ? 1 : 0];
  return (
    <div class="row wrap">
      <span class="grow">Draft {number}</span>
      <button onClick={() => (view.value = 'look')}>
        Look closer
      </button>
      {other && (
        <button
         
          onClick={() => {
            beforeId.value = other.id;
            view.value = 'compare';
          }}
        >
          Compare
        </button>
      )}
      {!isFinal && (
        <button
         
          class="main"
          title={price.note}
          disabled={making.value !== null}
          onClick={() => void make({ op: 'finish', given: { picture: picture.id, quality: 'high' } })}
        >
          Finish
          {price.amount && <span class="price">{price.amount}</span>}
        </button>
      )}
    </div>
  );
}
