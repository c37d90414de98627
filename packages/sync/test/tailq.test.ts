import { TailQueue, type TailQueueEntry } from '@biodone/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

class Item implements TailQueueEntry {
  queue: object | null = null;
  queueNext: TailQueueEntry | null = null;
  queuePrevious: TailQueueEntry | null = null;
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

function namesOf(queue: TailQueue<Item>): string {
  const forward = Array.from(queue, (item) => item.name).join('');
  let backward = '';
  for (let item = queue.last; item !== null; item = queue.previous(item)) backward = item.name + backward;
  expect(backward).toBe(forward);
  expect(queue.length).toBe(forward.length);
  expect(queue.isEmpty).toBe(forward === '');
  return forward;
}

describe('TailQueue', () => {
  it('inserts at both ends and beside an element', () => {
    const queue = new TailQueue<Item>();
    const [a, b, c, d] = [new Item('a'), new Item('b'), new Item('c'), new Item('d')];
    queue.insertTail(b);
    queue.insertHead(a);
    queue.insertAfter(b, d);
    queue.insertBefore(d, c);
    expect(namesOf(queue)).toBe('abcd');
    expect(queue.first).toBe(a);
    expect(queue.next(a)).toBe(b);
    expect(queue.next(d)).toBe(null);
    queue.remove(b);
    queue.remove(d);
    expect(namesOf(queue)).toBe('ac');
    expect(queue.removeFirst()).toBe(a);
    expect(queue.removeFirst()).toBe(c);
    expect(queue.removeFirst()).toBe(null);
    expect(namesOf(queue)).toBe('');
    expect([a.queue, a.queueNext, a.queuePrevious]).toEqual([null, null, null]);
  });

  it('tells misuse', () => {
    const queue = new TailQueue<Item>();
    const other = new TailQueue<Item>();
    const [a, b] = [new Item('a'), new Item('b')];
    queue.insertTail(a);
    const busy = expect.objectContaining({ code: 'EBUSY' });
    const absent = expect.objectContaining({ code: 'ENOENT' });
    expect(() => queue.insertTail(a)).toThrow(busy);
    expect(() => other.insertHead(a)).toThrow(busy);
    expect(() => other.remove(a)).toThrow(absent);
    expect(() => queue.remove(b)).toThrow(absent);
    expect(() => queue.next(b)).toThrow(absent);
    expect(() => queue.insertBefore(b, new Item('c'))).toThrow(absent);
    expect(() => queue.concat(queue)).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'TAILQ_CONCAT' }));
    expect(namesOf(queue)).toBe('a');
  });

  it('behaves as an array does', () => {
    const operations = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.nat(20), fc.nat(20)), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(operations, (steps) => {
        const queues = [new TailQueue<Item>(), new TailQueue<Item>()] as const;
        const models: [Item[], Item[]] = [[], []];
        let names = 0;
        for (const [operation, position, side] of steps) {
          const queue = queues[side % 2 === 0 ? 0 : 1];
          const model = models[side % 2 === 0 ? 0 : 1];
          const item = new Item(String.fromCharCode(97 + (names++ % 26)));
          const place = model[position % Math.max(model.length, 1)];
          if (operation === 0) {
            queue.insertTail(item);
            model.push(item);
          } else if (operation === 1) {
            queue.insertHead(item);
            model.unshift(item);
          } else if (operation === 2) expect(queue.removeFirst()).toBe(model.shift() ?? null);
          else if (operation === 6) {
            const target = side % 2 === 0 ? 1 : 0;
            queues[target].concat(queue);
            models[target].push(...model.splice(0));
          } else if (place !== undefined) {
            const index = model.indexOf(place);
            if (operation === 3) {
              queue.insertBefore(place, item);
              model.splice(index, 0, item);
            } else if (operation === 4) {
              queue.insertAfter(place, item);
              model.splice(index + 1, 0, item);
            } else {
              queue.remove(place);
              model.splice(index, 1);
            }
          }
          for (const which of [0, 1] as const) expect([...queues[which]]).toEqual(models[which]);
        }
        namesOf(queues[0]);
        namesOf(queues[1]);
      }),
    );
  });
});
