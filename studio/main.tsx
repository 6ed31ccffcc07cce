import { render } from 'preact';
import { App } from './app.js';
import { start } from './state/server.js';
import './state/title.js';

render(<App />, document.getElementById('studio')!);
// a file that is dropped beside its place would replace the page
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => event.preventDefault());
void start();
