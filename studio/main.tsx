import { render } from 'preact';
import { App } from './app.js';
import { start } from './state/connection.js';
import { startTitle } from './state/title.js';

render(<App />, document.getElementById('studio')!);
// a file that is dropped beside its place would replace the page
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => event.preventDefault());
startTitle();
void start();
