/** The boxes that FastestDet (github.com/dog-qiuqiu/FastestDet) finds, by its own rules (utils/tool.py, handle_preds). */
import { at } from '../../../src/tensor/types.ts';

/** The 80 classes of COCO in order, by the names of GenEval's object_names.txt. */
export const COCO_NAMES: readonly string[] = (
  'person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,bird,cat,dog,' +
  'horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,' +
  'baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,' +
  'orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,computer mouse,tv remote,' +
  'computer keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush'
).split(',');

/** A box in parts of the picture's width and height, from its upper left corner. */
export interface CocoBox {
  readonly name: string;
  readonly score: number;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** A box must score more than this. */
const LEAST_SCORE = 0.25;
/** Where two boxes of a class share more of their union than this, the better one stays. */
const MOST_OVERLAP = 0.45;
const CHANNELS = 5 + COCO_NAMES.length;

/**
 * Returns the boxes of one picture, the best first.
 * @param output [85, size, size]: whether there is an object, four numbers of its box, 80 shares of classes
 */
export function cocoBoxes(output: Float32Array, size: number): CocoBox[] {
  const cells = size * size;
  if (output.length !== CHANNELS * cells) {
    throw new Error(`the detector gave ${output.length} numbers, not ${CHANNELS} × ${size} × ${size}`);
  }
  const found: CocoBox[] = [];
  for (let cell = 0; cell < cells; cell++) {
    const value = (channel: number): number => at(output, channel * cells + cell);
    let best = 0;
    for (let i = 1; i < COCO_NAMES.length; i++) {
      if (value(5 + i) > value(5 + best)) {
        best = i;
      }
    }
    const score = value(0) * value(5 + best);
    if (score > LEAST_SCORE) {
      const [x, y] = [
        ((cell % size) + Math.tanh(value(1))) / size,
        (Math.floor(cell / size) + Math.tanh(value(2))) / size,
      ];
      const [w, h] = [sigmoid(value(3)), sigmoid(value(4))];
      found.push({ name: at(COCO_NAMES, best), score, x1: x - w / 2, y1: y - h / 2, x2: x + w / 2, y2: y + h / 2 });
    }
  }
  const kept: CocoBox[] = [];
  for (const box of found.sort((a, b) => b.score - a.score)) {
    if (!kept.some((other) => other.name === box.name && overlap(other, box) > MOST_OVERLAP)) {
      kept.push(box);
    }
  }
  return kept;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The area of two boxes' common part over that of both. */
function overlap(a: CocoBox, b: CocoBox): number {
  const area = ({ x1, y1, x2, y2 }: Omit<CocoBox, 'name' | 'score'>): number =>
    Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
  const common = area({
    x1: Math.max(a.x1, b.x1),
    y1: Math.max(a.y1, b.y1),
    x2: Math.min(a.x2, b.x2),
    y2: Math.min(a.y2, b.y2),
  });
  return common / (area(a) + area(b) - common);
}
