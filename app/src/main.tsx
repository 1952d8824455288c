/** Starts the page: connect to the host, show what it hands over. */
import { render } from 'preact';
import { connect } from './host';
import { listen, startAlone } from './start';
import { attempt, awaited, view } from './state';
import { App } from './views/app';
import { onMaskKey } from './views/mask';

awaited.value = '';
listen();
addEventListener('keydown', (event) => {
  const isWriting = event.target instanceof Element && event.target.closest('input:not([type=range]), textarea, select');
  if (!isWriting && view.value === 'mask' && onMaskKey(event)) event.preventDefault();
});
render(<App />, document.body);
void attempt(async () => {
  await connect();
  startAlone();
});
