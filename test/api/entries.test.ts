/** The entries of the package: Node's has what the browsers' has, and the layers can be imported alone. */
import { expect, it } from 'vitest';
import * as engine from '../../src/engine.ts';
import * as browser from '../../src/index.ts';
import * as models from '../../src/models.ts';
import * as node from '../../src/node.ts';
import * as reno from '../../src/reno.ts';

const names = (entry: object): string[] => Object.keys(entry).sort();

it('both main entries have the engine, the models and ReNO', () => {
  for (const entry of [browser, node]) {
    expect(names(entry)).toEqual(expect.arrayContaining([...names(engine), ...names(models), ...names(reno)]));
  }
});

it('they differ in what belongs to their platform', () => {
  const only = (a: object, b: object): string[] => names(a).filter((name) => !names(b).includes(name));
  expect(only(browser, node)).toEqual(['drawPicture']);
  expect(only(node, browser)).toEqual(['listAdapters', 'pocketModels', 'readPng', 'writePng']);
  expect(node.openDevice).not.toBe(browser.openDevice);
  expect(node.openReno).not.toBe(browser.openReno);
  expect(node.openReward).not.toBe(browser.openReward);
  expect(node.modelFolder).not.toBe(browser.modelFolder);
});

it('a folder that is not there is one sentence', () => {
  expect(() => node.modelFolder('/nowhere')).toThrow(
    "/nowhere: there is no such folder; give a folder with the model's files",
  );
  expect(node.modelFolder(new URL('file:///')).name).toBe('/');
  expect(node.modelFolder('https://example.org/pocket').name).toBe('https://example.org/pocket');
});

it('a browser without WebGPU is one sentence', async () => {
  await expect(browser.openDevice()).rejects.toThrow(/^this browser has no WebGPU; Chrome and Edge 113/);
});
