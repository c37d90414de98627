import { type DriverDefinition, defineDriver } from '../../driver-definition.js';
import { attachStripe, openStripe } from '../stripe.js';

export const stripeDefinition: DriverDefinition = defineDriver({
  name: 'stripe',
  summary: 'devices in turns (RAID level 0)',
  options: {
    stripeBytes: { type: 'size', summary: 'how much lies on one before the next', minimum: 1, maximum: 2 ** 30, position: 0 },
    devices: { type: 'devices', summary: 'its parts, in their order', required: true, position: 1 },
    childrenMax: { type: 'integer', summary: 'requests below at a time', minimum: 1, maximum: 65536 },
  },
  open: ({ devices, ...stripe }, { options }) => openStripe(devices, { ...options, ...stripe }),
  attach: attachStripe,
});
