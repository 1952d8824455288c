/** The price of a click, before it. */
import { useEffect, useState } from 'preact/hooks';
import { money } from './format';
import { ask, Refused, type PriceWish } from './server';
import { messageOf } from './state';

/** The person is still typing or choosing for this long. */
const REST_MS = 350;

export interface Quote {
  /** For the button, such as "$0.05"; empty while it is not known. */
  amount: string;
  /** A note beside it, or what the click would be refused with. */
  note: string;
  isRefused: boolean;
}

const UNKNOWN: Quote = { amount: '', note: '', isRefused: false };

/** What `wish` would cost, asked anew whenever it changes; null asks nothing. */
export function usePrice(wish: PriceWish | null): Quote {
  const [quote, setQuote] = useState(UNKNOWN);
  // A word more hardly changes a price: it is asked again for each 200 characters.
  const { prompt = '', ...rest } = wish ?? { action: 'edit', quality: 'auto' };
  const key = wish ? JSON.stringify([rest, Math.floor(prompt.length / 200)]) : '';
  useEffect(() => {
    setQuote(UNKNOWN);
    if (!wish) return undefined;
    let isOver = false;
    const timer = setTimeout(async () => {
      const found = await quoteOf(wish);
      if (!isOver) setQuote(found);
    }, REST_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [key]);
  return quote;
}

async function quoteOf(wish: PriceWish): Promise<Quote> {
  try {
    const { usd, text } = await ask('price', wish);
    if (usd === null) return { amount: '', note: text, isRefused: false };
    return { amount: Number(usd) === 0 ? 'free' : money(usd), note: text, isRefused: false };
  } catch (error) {
    return { amount: '', note: messageOf(error), isRefused: error instanceof Refused };
  }
}
