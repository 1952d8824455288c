/** What the build has every element made with. */
export { Fragment, h } from 'preact';
