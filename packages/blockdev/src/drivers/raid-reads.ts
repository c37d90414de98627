import { IoBuffer } from '@biodone/uring';
import type { BlockIo } from '../block-io.js';
import { RowPart, type RowParts, RowRequests } from './raid-requests.js';
import type { RaidStripe } from './raid-stripe.js';

/**
 * Reads of what cannot be had from its component: it is made of all the others. Each is cut into what lies on one component, and has the row for
 * itself, since data and parity go together only while nobody writes there.
 */
export function createRaidReads(parts: RowParts, done: (io: BlockIo, error: number) => void): RowRequests<RowPart> {
  return new RowRequests<RowPart>(parts, parts.set.geometry.stripeBytes, false, (owner) => new StripeRead(parts, owner), done);
}

class StripeRead extends RowPart {
  begin(stripe: RaidStripe): void {
    this.stripe = stripe;
    const { stripeBytes } = this.set.geometry;
    const column = Math.floor(this.begins / stripeBytes);
    stripe.load(1 << column, this.begins - column * stripeBytes, this.ends - column * stripeBytes);
  }

  loaded(error: number): void {
    const { io, stripe } = this;
    if (error === 0 && stripe !== null) {
      const source = stripe.place(0, this.begins);
      const length = this.ends - this.begins;
      IoBuffer.copy(io.buffer as IoBuffer, io.bufferOffset + this.position, this.stripes.parity.buffer, source, length);
    }
    this.leaveRow();
    this.end(error);
  }

  stored(): void {}

  stop(): void {
    this.stripes.abort(this);
  }
}
