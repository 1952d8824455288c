/** Where each turn of a session stands when its tree is drawn from left to right: a branch has a lane of its own. */
import type { Session, Turn } from './server';

export interface Placed {
  /** 0: the originals. */
  number: number;
  picture: string | null;
  prompt: string;
  lane: number;
  column: number;
  parent: Placed | null;
}

export function placed(session: Session): Placed[] {
  const origin: Placed = { number: 0, picture: session.origin, prompt: 'The original', lane: 0, column: 0, parent: null };
  const found = new Map<number, Placed>([[0, origin]]);
  const continued = new Set<number>();
  let lanes = 1;
  const turns = [...session.turns].sort((one, other) => one.number - other.number);
  turns.forEach((turn: Turn, index) => {
    // A turn whose parent is not among those that are listed, the newest ones, begins where the list does.
    const parent = found.get(turn.parent ?? 0) ?? origin;
    const lane = continued.has(parent.number) ? lanes++ : parent.lane;
    continued.add(parent.number);
    found.set(turn.number, { number: turn.number, picture: turn.picture, prompt: turn.prompt, lane, column: index + 1, parent });
  });
  return [...found.values()];
}
