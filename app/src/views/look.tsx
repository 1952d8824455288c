/** Look: the picture, its words, and what is known about it. */
import { useState } from 'preact/hooks';
import { EDGES } from '../pixels';
import type { Picture } from '../server';
import { shorten } from '../format';
import { PictureCanvas } from './picture_canvas';
import { Stage } from './stage';

export function Look({ picture }: { picture: Picture }) {
  const [isEnlarged, setEnlarged] = useState(false);
  return (
    <Stage picture={picture} onZoom={setEnlarged}>
      <PictureCanvas
        id={picture.id}
        edge={isEnlarged ? EDGES.large : EDGES.normal}
        label={`Picture: ${shorten(picture.prompt, 200)}`}
      />
    </Stage>
  );
}
