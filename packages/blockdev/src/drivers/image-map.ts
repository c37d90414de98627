/** Where bytes of an image are. */
export const IN_IMAGE = 0;
/** Nowhere: they are zeros, and the image says so. */
export const ZEROS = 1;
/** In the image below, or, where that ends or there is none, zeros. */
export const BELOW = 2;
/** In the image, compressed. */
export const COMPRESSED = 3;
/** It is not known before a slice of a table is read. */
export const NEEDS_SLICE = 4;
/** The tables make no sense. */
export const CORRUPT = 5;

export type Place = typeof IN_IMAGE | typeof ZEROS | typeof BELOW | typeof COMPRESSED | typeof NEEDS_SLICE | typeof CORRUPT;

/**
 * What the first of two tables has said, for whom it is known: the second one's slice may take the place of the first one's, and whoever had to read both
 * again would get nowhere.
 */
export interface FirstEntry {
  index: number;
  value: number;
}

/** Says where the bytes of an image are. One object for all requests: read the answer before the next question. */
export interface ImageMap {
  /** Of {@link locate}. */
  place: Place;
  /** In the image's file: the bytes; of NEEDS_SLICE, some byte of the slice. */
  offset: number;
  /** How many bytes are alike from there on; of COMPRESSED, of what they are made, from where. */
  lengthBytes: number;
  /** Of COMPRESSED: how long it is in the file, and how many bytes it is made into, of which the wanted ones begin so far in. */
  compressedBytes: number;
  wholeBytes: number;
  skipBytes: number;
  locate(offset: number, lengthBytes: number, first: FirstEntry): void;
  /** Makes `target`, which is `wholeBytes` long, of what was compressed. False if it cannot be. */
  expand?(compressed: Uint8Array, target: Uint8Array): boolean;
}
