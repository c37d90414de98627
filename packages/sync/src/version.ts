/** The version of the layout in memory, and of what is remembered in each thread. Both ends of a shared primitive must agree on it. */
export const LAYOUT_VERSION: number = 1;
