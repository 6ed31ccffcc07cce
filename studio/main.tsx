import { render } from 'preact';
import { App } from './app.js';
import { start } from './state/server.js';

render(<App />, document.getElementById('studio')!);
void start();
