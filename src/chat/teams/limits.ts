/** Teams' limits, and the room that Vigil leaves below them. */
export const LIMITS = {
  /** Bytes of one card's JSON: Teams refuses somewhere above 28 KB. */
  card: 24_000,
  /** Code points in one text run, so that long texts can be cut between runs. */
  run: 1_500,
  title: 200,
  button: 60,
  /** Most people that one card refreshes for by itself. */
  refreshUsers: 60,
  /** Actions in one set; further ones hide behind a menu. */
  actions: 6,
  /** Citations of one message. */
  citations: 20,
  citationName: 80,
  citationAbstract: 160,
  /** Code points of an informative update of a stream. */
  informative: 1_000,
  /** Bytes of a whole message, of which Teams takes about 100,000. */
  message: 80_000,
} as const;
