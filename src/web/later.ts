/** The parts of the page that load after it is shown. They are one file: what several shared would be many small ones, each a request. */
export { mountLab } from './lab/lab.ts';
export { ModelPanel } from './models/model_panel.ts';
